/* A module with one kernel that fails in every way a candidate can, by its configuration: known to the test and to the
 * worker of the test (faulty_worker.c). */
#ifndef HONE_TESTS_TUNER_FAULTY_H
#define HONE_TESTS_TUNER_FAULTY_H

#include "kernels/module.h"

/* The values of the kernel's parameter "fault". Those that come late do so after FAULTY_LATE launches, when it was
 * judged and is being timed. */
#define FAULTY_LIST(X)                                                                                                 \
    X(FAULTY_NONE, "none")                                                                                             \
    X(FAULTY_SLOW, "slow")                   /* right, and takes five milliseconds */                                  \
    X(FAULTY_TIRED, "tired")                 /* right, and takes 150 ms once the file HONE_TEST_TIRED is there */      \
    X(FAULTY_CRASH_PREPARE, "crash_prepare")                                                                           \
    X(FAULTY_CRASH, "crash")                                                                                           \
    X(FAULTY_CRASH_LATE, "crash_late")                                                                                 \
    X(FAULTY_EXIT, "exit")                   /* ends its process as if all were well */                                \
    X(FAULTY_HANG, "hang")                                                                                             \
    X(FAULTY_HANG_LATE, "hang_late")                                                                                   \
    X(FAULTY_EAT, "eat")                     /* memory without end, then says that there is none */                    \
    X(FAULTY_KILLED, "killed")               /* what the system does to one that ate it all */                         \
    X(FAULTY_GUARD, "guard")                 /* writes behind its output */                                            \
    X(FAULTY_GUARD_LATE, "guard_late")                                                                                 \
    X(FAULTY_INPUT_LATE, "input_late")                                                                                 \
    X(FAULTY_MAD, "mad")                     /* writes what it likes to the parent */                                  \
    X(FAULTY_WRONG, "wrong")                                                                                           \
    X(FAULTY_LIE, "lie")                     /* right at first; then leaves the work undone, which is quick */         \
    X(FAULTY_STATUS, "status")                                                                                         \
    X(FAULTY_STATUS_LATE, "status_late")

#define FAULTY_ENUM(name, text) name,
typedef enum faulty { FAULTY_LIST(FAULTY_ENUM) FAULTY_COUNT } faulty;
#undef FAULTY_ENUM

enum { FAULTY_LATE = 12 };

extern const hone_module faulty_module;
extern const hone_kernel faulty_kernel; /* matmul, f32, nothing besides */
const char              *faulty_name(faulty which);

#endif
