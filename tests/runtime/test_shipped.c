/* The profiles that come with hone: every line of them is whole, of the silicon that its file is named by, and about a
 * problem and kernels that hone knows. Whether they are fast is told by `hone tune --verify` on their machines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <dirent.h>

#include "base/alloc.h"
#include "base/file.h"
#include "runtime/profile/line.h"
#include "runtime/profile/profile.h"
#include "runtime/profile/rows.h"
#include "tests/runtime/tools.h"

static hone_context    *handle;
static hone_rt_context *context;

/* What a figure names of hone's own is a kernel of hone's, and its configuration one of that kernel's parameters.
 * *stale: the kernel has another version by now, and the row is passed over until it is tuned again. */
static void names_what_is_there(const hone_rt_figure *it, int *stale)
{
    const hone_kernel *kernels[HONE_RT_KERNELS_MAX];
    const hone_op     *op;
    bool               found = false;
    if (!*it->kernel || strncmp(it->kernel, "cpu.", 4) != 0) return; /* other people's libraries need not be here */
    for (int i = 0; (op = hone_rt_op_at(context, i)) && !found; i++) {
        int count = hone_rt_kernels(context, op, hone_rt_device_at(context, 0), kernels, HONE_RT_KERNELS_MAX);
        for (int k = 0; k < count && !found; k++) {
            found = !strcmp(kernels[k]->name, it->kernel);
            if (found && kernels[k]->version != it->version) ++*stale;
        }
    }
    if (!found) fail_msg("there is no kernel %s", it->kernel);
    assert_true(it->median_s > 0 && it->low_s <= it->median_s && it->median_s <= it->high_s);
}

static void look_at(const char *path, const char *name)
{
    hone_rt_rows      *rows;
    hone_rt_rows_facts facts;
    hone_rt_row       *row = malloc(sizeof *row);
    int                count = 0, stale = 0;
    hone_status        status;
    works(hone_rt_rows_open_file(path, &rows));
    hone_rt_rows_facts_of(rows, &facts);
    if (facts.damaged || facts.unfinished || facts.unknown)
        fail_msg("%s: %d lines damaged, %d unknown, %d torn", name, facts.damaged, facts.unknown, facts.unfinished);
    assert_true(hone_rt_silicon_key(hone_rt_rows_silicon(rows)) == strtoull(name, NULL, 16));
    for (int i = 0; (status = hone_rt_rows_at(rows, i, row)) != HONE_ERROR_NOT_FOUND; i++) {
        const hone_op  *op;
        hone_rt_problem problem;
        works(status);
        works(hone_rt_problem_parse(context, row->problem, &op, &problem));
        assert_int_equal(row->kind, HONE_RT_ROW_MEASURED);
        assert_true(row->compared > 0 && row->sample_count > 0);
        names_what_is_there(&row->best, &stale);
        names_what_is_there(&row->next, &stale);
        names_what_is_there(&row->untuned, &stale);
        count++;
    }
    assert_true(count > 0);
    printf("%s: %d rows, %s; %d figures of kernels that have changed\n", name, count, hone_rt_rows_silicon(rows),
           stale);
    hone_rt_rows_close(rows);
    free(row);
}

static void are_whole_and_known(void **state)
{
    (void)state;
    int  seen = 0;
    DIR *entries = opendir("profiles");
    assert_non_null(entries);
    for (struct dirent *it; (it = readdir(entries));) {
        char path[512];
        if (it->d_name[0] == '.') continue;
        assert_true(strlen(it->d_name) == 16 + strlen(".jsonl") && !strcmp(it->d_name + 16, ".jsonl"));
        snprintf(path, sizeof path, "profiles/%s", it->d_name);
        look_at(path, it->d_name);
        seen++;
    }
    closedir(entries);
    assert_true(seen > 0);
}

/* Where this is such a machine the rows decide, from a folder that is the only layer, and are predicted from. */
static void decide_on_their_machines(void **state)
{
    (void)state;
    hone_context        *tuned;
    hone_rt_context     *its;
    hone_context_options how = HONE_CONTEXT_OPTIONS;
    const hone_op       *op;
    hone_rt_problem      problem;
    hone_rt_candidate    ranked[HONE_RT_KERNELS_MAX];
    const char          *rule;
    hone_rt_rows        *rows;
    hone_rt_row         *row = malloc(sizeof *row);
    int                  measured = 0, count = 0;
    how.profile_path = "profiles";
    how.tune = HONE_TUNE_READ;
    works(hone_context_create(&how, &tuned));
    works(hone_rt_context_hold(tuned, &its));
    works(hone_rt_rows_open(hone_rt_device_at(its, 0), "profiles", &rows));
    for (int i = 0; hone_rt_rows_at(rows, i, row) == HONE_OK; i++) {
        works(hone_rt_problem_parse(its, row->problem, &op, &problem));
        hone_request request = {.device = hone_rt_device_at(its, 0), .op = op, .problem = problem.bytes,
                                .threads = row->threads, .alignment = row->alignment, .flags = row->flags};
        int          of = hone_rt_rank(its, &request, ranked, HONE_RT_KERNELS_MAX, &rule);
        assert_true(of > 0 && !ranked[0].refusal);
        measured += ranked[0].measured;
        count++;
    }
    hone_rt_rows_close(rows);
    free(row);
    hone_rt_context_release(its);
    hone_context_destroy(tuned);
    printf("%d of %d rows of this machine decide, without other people's libraries\n", measured, count);
    if (!count) skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(are_whole_and_known),
        cmocka_unit_test(decide_on_their_machines),
    };
    setenv("HONE_MODULES", "off", 1);
    if (hone_context_create(NULL, &handle) || hone_rt_context_hold(handle, &context)) return 2;
    int failed = cmocka_run_group_tests_name("runtime.shipped", tests, NULL, NULL);
    hone_rt_context_release(context);
    hone_context_destroy(handle);
    return failed;
}
