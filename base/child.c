/* A child by posix_spawn: never a bare fork, for the host may have threads. See child.h. */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

static int set_files(posix_spawn_file_actions_t *files, const int *high, int count)
{
    int why = 0;
    for (int i = 0; i < count && !why; i++)
        why = posix_spawn_file_actions_adddup2(files, high[i], HONE_CHILD_FIRST + i);
    if (!why) why = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!why) why = posix_spawn_file_actions_addopen(files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (!why) why = posix_spawn_file_actions_addopen(files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
#if __GLIBC_PREREQ(2, 34)
    if (!why) why = posix_spawn_file_actions_addclosefrom_np(files, HONE_CHILD_FIRST + count);
#endif
    return why;
}

static int set_attributes(posix_spawnattr_t *how)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int why = posix_spawnattr_setsigmask(how, &none);
    if (!why) why = posix_spawnattr_setsigdefault(how, &all);
    if (!why)
        why = posix_spawnattr_setflags(how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    return why;
}

int hone_child_spawn(const char *program, char *const *words, char *const *surroundings, const int *keeps,
                     int keep_count, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t          how;
    int                        high[HONE_CHILD_KEEPS_MAX], lifted = 0, why = 0;
    if (keep_count > HONE_CHILD_KEEPS_MAX) return EINVAL;
    /* Out of the way of the numbers that they and the standard streams are wanted under. */
    for (; lifted < keep_count && !why; lifted += !why) {
        high[lifted] = fcntl(keeps[lifted], F_DUPFD_CLOEXEC, HONE_CHILD_FIRST + HONE_CHILD_KEEPS_MAX);
        if (high[lifted] < 0) why = errno;
    }
    if (why || (why = posix_spawn_file_actions_init(&files))) goto no_files;
    if ((why = posix_spawnattr_init(&how))) goto no_attributes;
    why = set_files(&files, high, keep_count);
    if (!why) why = set_attributes(&how);
    if (!why) why = posix_spawn(pid, program, &files, &how, words, surroundings);
    posix_spawnattr_destroy(&how);
no_attributes:
    posix_spawn_file_actions_destroy(&files);
no_files:
    for (int i = 0; i < lifted; i++) close(high[i]);
    return why;
}
