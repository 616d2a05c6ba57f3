/* The search as a whole: see search.h. */
#include "tuner/search.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

enum { BATCH = 8, SUGGESTIONS = 8 };

/* One candidate and what is known of it. */
typedef struct tried {
    hone_finding   finding;
    hone_admission admission;
    double        *samples;
} tried;

typedef struct search {
    const hone_oracle         *oracle;
    const hone_search_options *options;
    double                     began;
    tried                     *tried;
    int                        count, cap, launches;
} search;

const char *hone_fate_text(hone_fate fate)
{
    static const char *const texts[HONE_FATE_COUNT] = {
        [HONE_FATE_RIGHT] = "right",     [HONE_FATE_REFUSED] = "refused",
        [HONE_FATE_WRONG] = "wrong",     [HONE_FATE_CRASHED] = "crashed",
        [HONE_FATE_HUNG] = "hung",       [HONE_FATE_MEMORY] = "too much memory",
        [HONE_FATE_CORRUPTED] = "wrote where it must not", [HONE_FATE_FAILED] = "failed",
    };
    return fate >= 0 && fate < HONE_FATE_COUNT ? texts[fate] : NULL;
}

hone_search_options hone_search_defaults(void)
{
    return (hone_search_options){.seed = 1, .tie = 0.01, .rounds = 24};
}

const char *hone_search_strategy(int index, const char **what)
{
    if (what) *what = index == 0 ? "what the kernels suggest" : NULL;
    return index == 0 ? "suggested" : NULL;
}

static bool ended(const search *s)
{
    if (s->options->stop && s->options->stop()) return true;
    return s->options->budget_s > 0 && s->oracle->clock(s->oracle->self) - s->began >= s->options->budget_s;
}

static bool is_known(const search *s, const hone_choice *choice)
{
    for (int i = 0; i < s->count; i++)
        if (s->tried[i].finding.choice.kernel == choice->kernel &&
            !memcmp(&s->tried[i].finding.choice.config, &choice->config, sizeof choice->config))
            return true;
    return false;
}

static void add(search *s, const hone_choice *choice)
{
    if (s->count == s->cap || is_known(s, choice)) return;
    if (s->options->trials_max && s->count >= s->options->trials_max) return;
    s->tried[s->count++].finding = (hone_finding){.choice = *choice, .seconds = {NAN, NAN, NAN}};
}

static hone_status admit(search *s, int from, int count)
{
    hone_choice    choices[BATCH];
    hone_admission admissions[BATCH];
    for (int i = 0; i < count; i++) choices[i] = s->tried[from + i].finding.choice;
    memset(admissions, 0, sizeof admissions);
    HONE_TRY(s->oracle->admit(s->oracle->self, choices, count, admissions));
    for (int i = 0; i < count; i++) {
        tried *it = &s->tried[from + i];
        it->admission = admissions[i];
        it->finding.fate = admissions[i].fate;
        snprintf(it->finding.why, sizeof it->finding.why, "%s", admissions[i].why);
        if (it->finding.fate != HONE_FATE_RIGHT) continue;
        it->finding.samples = it->samples = hone_alloc((size_t)s->options->rounds, sizeof *it->samples);
        if (!it->samples) return HONE_ERROR_MEMORY;
    }
    return HONE_OK;
}

static hone_status take_round(search *s, int *ids, double *seconds, hone_admission *fates)
{
    int count = 0;
    for (int i = 0; i < s->count; i++)
        if (s->tried[i].samples && s->tried[i].finding.fate == HONE_FATE_RIGHT)
            ids[count++] = s->tried[i].admission.id;
    memset(fates, 0, (size_t)count * sizeof *fates);
    if (!count) return HONE_OK;
    HONE_TRY(s->oracle->time(s->oracle->self, ids, count, 1, seconds, fates));
    for (int i = 0, at = 0; i < s->count; i++) {
        tried *it = &s->tried[i];
        if (!it->samples || it->finding.fate != HONE_FATE_RIGHT) continue;
        if (fates[at].fate != HONE_FATE_RIGHT) {
            it->finding.fate = fates[at].fate;
            snprintf(it->finding.why, sizeof it->finding.why, "%s", fates[at].why);
        } else {
            it->samples[it->finding.rounds++] = seconds[at];
            s->launches++;
        }
        at++;
    }
    return HONE_OK;
}

static hone_status run(search *s, int *ids, double *seconds, hone_admission *fates, double *sorted, bool *complete)
{
    *complete = true;
    for (int from = 0; from < s->count; from += BATCH) {
        if (ended(s)) *complete = false;
        if (!*complete) s->count = from;
        if (!*complete) break;
        HONE_TRY(admit(s, from, s->count - from < BATCH ? s->count - from : BATCH));
    }
    for (int round = 0; round < s->options->rounds && *complete; round++) {
        if (ended(s)) *complete = false;
        else HONE_TRY(take_round(s, ids, seconds, fates));
    }
    for (int i = 0; i < s->count; i++) {
        hone_finding *it = &s->tried[i].finding;
        if (!it->rounds) continue;
        memcpy(sorted, it->samples, (size_t)it->rounds * sizeof *sorted);
        hone_stats_sort(sorted, it->rounds);
        it->seconds = hone_stats_median_exact(sorted, it->rounds, 0.95);
    }
    return HONE_OK;
}

static bool before(const hone_finding *a, const hone_finding *b)
{
    bool a_right = a->fate == HONE_FATE_RIGHT && a->rounds, b_right = b->fate == HONE_FATE_RIGHT && b->rounds;
    if (a_right != b_right) return a_right;
    return a_right && a->seconds.mid < b->seconds.mid;
}

static hone_status sum_up(search *s, hone_search_result *out)
{
    out->findings = hone_alloc((size_t)s->count + 1, sizeof *out->findings);
    if (!out->findings) return HONE_ERROR_MEMORY;
    for (int i = 0; i < s->count; i++) {
        int at = out->count++;
        for (; at > 0 && before(&s->tried[i].finding, &out->findings[at - 1]); at--)
            out->findings[at] = out->findings[at - 1];
        out->findings[at] = s->tried[i].finding;
        s->tried[i].samples = NULL; /* the result's from now on */
    }
    for (int i = 0; i < out->count; i++)
        if (s->count && out->findings[i].choice.kernel == s->tried[0].finding.choice.kernel &&
            !memcmp(&out->findings[i].choice.config, &s->tried[0].finding.choice.config, sizeof(hone_config)))
            out->untuned = i;
    out->trials = s->count;
    out->launches = s->launches;
    out->spent_s = s->oracle->clock(s->oracle->self) - s->began;
    HONE_CHECK(out->count && out->findings[0].rounds, HONE_ERROR_UNSUPPORTED, "no candidate is right");
    return HONE_OK;
}

hone_status hone_search(const hone_request *request, const hone_choice *starts, int start_count,
                        const hone_kernel *const *kernels, int kernel_count, const hone_oracle *oracle,
                        const hone_search_options *options, hone_search_result *out)
{
    *out = (hone_search_result){0};
    search s = {.oracle = oracle, .options = options, .cap = start_count + kernel_count * SUGGESTIONS};
    HONE_CHECK(start_count >= 1, HONE_ERROR_ARGUMENT, "search: the untuned choice must be among the starts");
    HONE_CHECK(options->rounds >= 6, HONE_ERROR_ARGUMENT, "search: %d rounds, at least 6 are needed", options->rounds);
    s.began = oracle->clock(oracle->self);
    s.tried = hone_alloc((size_t)s.cap, sizeof *s.tried);
    int            *ids = hone_alloc((size_t)s.cap, sizeof *ids);
    double         *seconds = hone_alloc((size_t)s.cap, sizeof *seconds);
    double         *sorted = hone_alloc((size_t)options->rounds, sizeof *sorted);
    hone_admission *fates = hone_alloc((size_t)s.cap, sizeof *fates);
    hone_status     status = s.tried && ids && seconds && fates && sorted ? HONE_OK : HONE_ERROR_MEMORY;
    if (status == HONE_OK) {
        for (int i = 0; i < start_count; i++) add(&s, &starts[i]);
        for (int i = 0; i < kernel_count; i++) {
            hone_config configs[SUGGESTIONS];
            memset(configs, 0, sizeof configs);
            if (kernels[i]->refuses(request)) continue;
            int count = kernels[i]->suggest(request, configs, SUGGESTIONS);
            for (int j = 0; j < count; j++) add(&s, &(hone_choice){kernels[i], configs[j]});
        }
        status = run(&s, ids, seconds, fates, sorted, &out->complete);
    }
    if (status == HONE_ERROR_INTERRUPTED) {
        status = HONE_OK;
        out->complete = false;
    }
    if (status == HONE_OK) status = sum_up(&s, out);
    for (int i = 0; s.tried && i < s.count; i++) {
        if (s.tried[i].finding.fate == HONE_FATE_RIGHT && s.tried[i].finding.samples)
            oracle->drop(oracle->self, s.tried[i].admission.id);
        hone_free(s.tried[i].samples);
    }
    hone_free(fates);
    hone_free(sorted);
    hone_free(seconds);
    hone_free(ids);
    hone_free(s.tried);
    if (status != HONE_OK && status != HONE_ERROR_UNSUPPORTED) hone_search_result_free(out);
    return status;
}

void hone_search_result_free(hone_search_result *result)
{
    for (int i = 0; i < result->count; i++) hone_free((void *)(uintptr_t)result->findings[i].samples);
    hone_free(result->findings);
    *result = (hone_search_result){0};
}
