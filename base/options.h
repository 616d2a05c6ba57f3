/* Environment variables: each is a row here, read once when a context is made, and never in a call. */
#ifndef HONE_BASE_OPTIONS_H
#define HONE_BASE_OPTIONS_H

#define HONE_OPTION_LIST(X)                                                                                            \
    X(HONE_OPTION_ISA, "HONE_ISA", "portable, avx2 or avx512: no CPU kernel above that level")                         \
    X(HONE_OPTION_PROFILE_PATH, "HONE_PROFILE_PATH", "folders with device profiles, separated by ':'")                 \
    X(HONE_OPTION_LOG, "HONE_LOG", "error, warning, info or select: what the log callback is told")           \
    X(HONE_OPTION_MODULES, "HONE_MODULES", "off: other people's libraries are not looked for")                         \
    X(HONE_OPTION_THREADS, "HONE_THREADS", "how many threads a call may use where the program leaves it to hone")     \
    X(HONE_OPTION_BIND, "HONE_BIND", "1: each thread that hone starts stays on one CPU")                              \
    X(HONE_OPTION_TUNE, "HONE_TUNE", "off, read, missing or pinned: what is made of measurements")                     \
    X(HONE_OPTION_TUNE_SECONDS, "HONE_TUNE_SECONDS", "with HONE_TUNE=missing: seconds that a call may measure")        \
    X(HONE_OPTION_RECORD, "HONE_RECORD", "a file that each distinct problem is added to, with calls and seconds")      \
    X(HONE_OPTION_DATA_HOME, "XDG_DATA_HOME", "the user's data folder, where profiles lie without HONE_PROFILE_PATH")  \
    X(HONE_OPTION_HOME, "HOME", "the user's folder; its .local/share serves where XDG_DATA_HOME is not set")

#define HONE_OPTION_ENUM(id, variable, meaning) id,
typedef enum hone_option { HONE_OPTION_LIST(HONE_OPTION_ENUM) HONE_OPTION_COUNT } hone_option;
#undef HONE_OPTION_ENUM

/* The variable's value, NULL when it is unset or empty, or when the program runs with another user's rights
 * (AT_SECURE): then the environment is not to be trusted. */
const char *hone_option_get(hone_option option);
const char *hone_option_variable(hone_option option);
const char *hone_option_meaning(hone_option option);

#endif
