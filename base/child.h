/* Starting a program quietly: as a host's library may, and no more. */
#ifndef HONE_BASE_CHILD_H
#define HONE_BASE_CHILD_H

#include <sys/types.h>

enum { HONE_CHILD_FIRST = 3, HONE_CHILD_KEEPS_MAX = 4 };

/* Spawns `program` with these words and surroundings. Its standard streams are /dev/null; keeps[i], which may be any
 * descriptors of ours, are its HONE_CHILD_FIRST + i, and it has no others; its signals are as when a process begins,
 * and its process group is its own, so that Ctrl-C is for the caller to answer. 0, or the errno that says why not. */
int hone_child_spawn(const char *program, char *const *words, char *const *surroundings, const int *keeps,
                     int keep_count, pid_t *pid);

#endif
