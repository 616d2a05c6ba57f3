/* hone tune --evaluate: what guessing costs. Each row of the profile is left out in turn and predicted from the others;
 * what is predicted is measured beside the row's best, unless the row knows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/verb_tune.h"
#include "runtime/near.h"
#include "tuner/stats.h"
#include "tuner/worker.h"

enum { ROUNDS = 20 };

typedef struct known_rows {
    const cli_tune  *tune;
    const hone_op   *op; /* of all that follows */
    hone_rt_known   *known;
    hone_rt_problem *problems;
    int              count, room;
    int              unusable; /* rows whose best kernel is not here, or not as it was */
    hone_worker     *worker; /* NULL: none yet */
    int              threads; /* that it has */
    int              measured, failed; /* what was predicted and no row knew; what of it cannot be used */
} known_rows;

/* --- rows ------------------------------------------------------------------------------------------------------ */

static bool has(const known_rows *it, const hone_rt_row *row)
{
    char text[HONE_PROBLEM_TEXT_MAX];
    for (int i = 0; i < it->count; i++) {
        const hone_request *request = &it->known[i].request;
        if (request->threads != row->threads || request->flags != row->flags) continue;
        hone_rt_problem_print(request->op, request->problem, text, sizeof text);
        if (!strcmp(text, row->problem)) return true;
    }
    return false;
}

/* One row a problem, threads and flags: a problem that is left out must not speak through another row. */
static void take_row(known_rows *it, const hone_rt_row *row, const hone_kernel *const *kernels, int count)
{
    const int asked = (int)cli_number(it->tune->call, "threads", 0);
    if (row->kind != HONE_RT_ROW_MEASURED || row->cold || row->loaded || (asked && row->threads != asked)) return;
    const size_t name = strlen(it->op->name);
    if (strncmp(row->problem, it->op->name, name) != 0 || row->problem[name] != ' ' || has(it, row)) return;
    if (it->count == it->room) {
        it->room = it->room ? 2 * it->room : 64;
        it->known = cli_grow(it->known, (size_t)it->room, sizeof *it->known);
        it->problems = cli_grow(it->problems, (size_t)it->room, sizeof *it->problems);
        for (int i = 0; i < it->count; i++) it->known[i].request.problem = it->problems[i].bytes;
    }
    if (hone_rt_known_of(row, it->tune->hone.device, it->op, kernels, count, &it->problems[it->count],
                         &it->known[it->count]))
        it->count++;
    else
        it->unusable++;
}

static int read_rows(known_rows *it, const hone_kernel *const *kernels, int count)
{
    hone_rt_rows *rows;
    hone_rt_row  *row = cli_alloc(1, sizeof *row);
    hone_status   status = hone_rt_rows_open(it->tune->hone.device, NULL, &rows);
    for (int i = 0; status == HONE_OK; i++) {
        status = hone_rt_rows_at(rows, i, row);
        if (status == HONE_OK) take_row(it, row, kernels, count);
        if (status == HONE_ERROR_FORMAT) status = HONE_OK; /* the next may be read */
    }
    if (rows) hone_rt_rows_close(rows);
    free(row);
    return status == HONE_ERROR_NOT_FOUND ? CLI_FINE : cli_fail_status(it->tune->call, status);
}

/* --- measuring ------------------------------------------------------------------------------------------------- */

/* Medians of both, in turns; 0: not right. */
static hone_status time_both(known_rows *it, const hone_request *request, const hone_choice both[2],
                             double median[2])
{
    const cli_tune     *t = it->tune;
    hone_admission      admissions[2], fates[2];
    double              taken[ROUNDS * 2], column[ROUNDS];
    hone_worker_options how = {.device = t->hone.device->name, .threads = request->threads, .seed = t->seed + 2,
                               .stop = cli_interrupted};
    memset(admissions, 0, sizeof admissions);
    median[0] = median[1] = 0;
    if (it->worker && it->threads != request->threads) {
        hone_worker_close(it->worker);
        it->worker = NULL;
    }
    if (!it->worker) HONE_TRY(hone_worker_open(t->hone.context, &how, &it->worker));
    it->threads = request->threads;
    hone_worker_take(it->worker, request);
    hone_oracle oracle = hone_worker_oracle(it->worker);
    hone_status status = oracle.admit(oracle.self, both, 2, admissions);
    const bool  right = admissions[0].fate == HONE_FATE_RIGHT && admissions[1].fate == HONE_FATE_RIGHT;
    if (status == HONE_OK && right) {
        const int ids[2] = {admissions[0].id, admissions[1].id};
        status = oracle.time(oracle.self, ids, 2, ROUNDS, taken, fates);
        for (int i = 0; i < 2 && status == HONE_OK; i++) {
            if (fates[i].fate != HONE_FATE_RIGHT) continue;
            for (int r = 0; r < ROUNDS; r++) column[r] = taken[r * 2 + i];
            median[i] = hone_stats_median(column, ROUNDS);
        }
    }
    return status;
}

/* In the seconds of the row, whose best is measured beside it: the machine may be another than it was then. */
static hone_status measure(void *self, const hone_rt_known *row, const hone_kernel *kernel, const hone_config *config,
                           double *seconds)
{
    known_rows       *it = self;
    const hone_choice both[2] = {{row->figures[0].kernel, row->figures[0].config}, {kernel, *config}};
    double            median[2];
    if (cli_interrupted()) return hone_fail(HONE_ERROR_STATE, "interrupted");
    cli_progress("row %d of %d is left out", (int)(row - it->known) + 1, it->count);
    HONE_TRY(time_both(it, &row->request, both, median));
    it->measured++;
    if (median[0] > 0 && median[1] > 0) {
        *seconds = row->figures[0].seconds * median[1] / median[0];
        return HONE_OK;
    }
    it->failed++; /* as selection would: the next, by estimate */
    *seconds = row->untuned_s;
    return HONE_OK;
}

/* --- what came of it ------------------------------------------------------------------------------------------- */

static char *worst_of(const known_rows *it, const hone_rt_regret *regret)
{
    char                text[HONE_PROBLEM_TEXT_MAX];
    const hone_request *request = &it->known[regret->worst_row].request;
    hone_rt_problem_print(request->op, request->problem, text, sizeof text);
    return cli_format("%s, %d thread%s", text, request->threads, request->threads == 1 ? "" : "s");
}

static void print_line(cli_table *table, const char *what, double mean, double p95, double worst)
{
    char *cells[3] = {cli_format("%.2f %%", 100 * mean), cli_format("%.2f %%", 100 * p95),
                      cli_format("%.2f %%", 100 * worst)};
    cli_table_row(table, (const char *[]){what, cells[0], cells[1], cells[2]});
    for (int i = 0; i < 3; i++) free(cells[i]);
}

static void print(const known_rows *it, const char *op, const hone_rt_regret *regret)
{
    char      *worst = worst_of(it, regret);
    cli_table *table = cli_table_new((const char *[]){"regret", ">mean", ">95th percentile", ">worst", NULL});
    printf("%s: %d row%s, each left out and predicted from the others\n", op, regret->count,
           regret->count == 1 ? "" : "s");
    print_line(table, "predicted", regret->mean, regret->p95, regret->worst);
    print_line(table, "estimated", regret->untuned_mean, regret->untuned_p95, regret->untuned_worst);
    cli_table_print(table, stdout, 2);
    printf("  worst: %s\n", worst);
    printf("  %d with nothing near, which are estimated; %d choices measured, %d of them could not be used\n",
           regret->unpredicted, it->measured, it->failed);
    if (it->unusable)
        printf("  %d row%s passed over: the best kernel is not here as it was measured\n", it->unusable,
               it->unusable == 1 ? " is" : "s are");
    free(worst);
}

static json_t *regret_json(double mean, double p95, double worst)
{
    json_t *out = cli_object();
    cli_set(out, "mean", cli_real(mean));
    cli_set(out, "p95", cli_real(p95));
    cli_set(out, "worst", cli_real(worst));
    return out;
}

static json_t *op_json(const known_rows *it, const hone_rt_regret *regret)
{
    char   *worst = worst_of(it, regret);
    json_t *out = cli_object();
    cli_set(out, "op", cli_string(it->op->name));
    cli_set(out, "rows", json_integer(regret->count));
    cli_set(out, "passed_over", json_integer(it->unusable));
    cli_set(out, "nothing_near", json_integer(regret->unpredicted));
    cli_set(out, "measured", json_integer(it->measured));
    cli_set(out, "failed", json_integer(it->failed));
    cli_set(out, "predicted", regret_json(regret->mean, regret->p95, regret->worst));
    cli_set(out, "estimated", regret_json(regret->untuned_mean, regret->untuned_p95, regret->untuned_worst));
    cli_set(out, "worst", cli_string(worst));
    free(worst);
    return out;
}

/* One op's rows; *rows grows by how many there are. */
static int evaluate_op(const cli_tune *t, const hone_op *op, json_t *list, int *rows)
{
    const hone_kernel *kernels[HONE_RT_KERNELS_MAX];
    hone_rt_regret     regret;
    known_rows         it = {.tune = t, .op = op};
    int count = hone_rt_kernels(t->hone.context, op, t->hone.device, kernels, HONE_RT_KERNELS_MAX);
    int code = read_rows(&it, kernels, count);
    if (code == CLI_FINE && it.count) {
        hone_status status = hone_rt_predict_evaluate(kernels, count, it.known, it.count, measure, &it, &regret);
        cli_progress(NULL);
        if (status != HONE_OK) code = cli_interrupted() ? CLI_INTERRUPTED : cli_fail_status(t->call, status);
        if (code == CLI_FINE && t->call->json) cli_append(list, op_json(&it, &regret));
        if (code == CLI_FINE && !t->call->json) print(&it, op->name, &regret);
        *rows += it.count;
    }
    if (it.worker) hone_worker_close(it.worker);
    free(it.known);
    free(it.problems);
    return code;
}

int cli_tune_evaluate(const cli_tune *t)
{
    const hone_op *op;
    json_t        *list = cli_array();
    int            rows = 0, code = CLI_FINE;
    for (int i = 0; code == CLI_FINE && (op = hone_rt_op_at(t->hone.context, i)); i++)
        code = evaluate_op(t, op, list, &rows);
    if (code == CLI_FINE && !rows)
        code = cli_fail(t->call, "the profile has no row that this hone can repeat; 'hone tune' measures some");
    if (code == CLI_FINE && t->call->json) {
        json_t *answer = cli_answer(t->call);
        cli_set(answer, "ops", json_incref(list));
        cli_print_json(answer);
    }
    json_decref(list);
    return code;
}
