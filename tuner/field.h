/* The field of a search: every legal configuration of every kernel that takes the problem, what was tried of it, and
 * how it did. Strategies read it; the search alone writes it.
 *
 * A place is a configuration's number in its kernel's tree: (kernel, number) tells candidates apart. */
#ifndef HONE_TUNER_FIELD_H
#define HONE_TUNER_FIELD_H

#include "tuner/oracle.h"
#include "tuner/space_tree.h"

enum { HONE_FIELD_KERNELS_MAX = 64 };

typedef struct hone_place {
    int      kernel; /* of the field */
    uint64_t index;  /* in its tree */
} hone_place;

/* A place that looks promising by estimate alone. */
typedef struct hone_outlook {
    hone_place place;
    double     seconds; /* estimated; +inf: unknown */
    uint64_t   drawn;   /* which comes first of those that are estimated alike */
} hone_outlook;

/* A candidate that was tried. */
typedef struct hone_trial {
    hone_place  place;
    hone_choice choice;
    double      estimate; /* seconds; +inf: unknown */
    double      score;    /* log of its time, over that of the untuned choice; +inf: not right */
} hone_trial;

typedef struct hone_field {
    const hone_request *request;
    int                 kernel_count;
    const hone_kernel  *kernels[HONE_FIELD_KERNELS_MAX];
    hone_space_tree    *trees[HONE_FIELD_KERNELS_MAX];
    uint64_t            count;         /* of configurations in all */
    hone_outlook       *outlooks;      /* all of them, or a seeded draw of many, best estimate first */
    int                 outlook_count;
    hone_trial         *trials;
    int                 trial_count, trial_cap;
    int                *slots;         /* of a table from place to trial */
    int                 slot_count;
} hone_field;

/* Of the kernels that take the request and are not slow by intent. Request and kernels are borrowed. */
hone_status hone_field_open(hone_field *field, const hone_request *request, const hone_kernel *const *kernels,
                            int kernel_count, uint64_t seed);
void        hone_field_close(hone_field *field);

/* The place of what means the same as this choice; false: it is not in the field. */
bool        hone_field_find(const hone_field *field, const hone_choice *choice, hone_place *out);
hone_choice hone_field_at(const hone_field *field, hone_place place);
double      hone_field_estimate(const hone_field *field, hone_place place);
/* Which trial this was; -1: not tried yet. */
int         hone_field_tried(const hone_field *field, hone_place place);
/* Notes that it is being tried, its score unknown (+inf) so far. */
hone_status hone_field_add(hone_field *field, hone_place place);
/* The trials with the least scores, best first: how many, at most `cap`. */
int         hone_field_best(const hone_field *field, int *out, int cap);

#endif
