/* How many threads oneDNN takes: each of its builds has a runtime of its own, and each is kept to a number in its way,
 * for the calling thread alone and until the call returns.
 *
 * OpenMP has a count for each thread that calls. oneTBB has arenas: work that is run in an arena of n places is done by
 * n threads at most, the caller's own among them. Its interface is C++; what is used of it are three functions of
 * libtbb and two layouts, which all of oneTBB shares since its first release:
 *
 *     task_arena_base    the fields of `arena`
 *     delegate_base      a table of virtual functions: the call, and two destructors
 */
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "kernels/matmul/onednn.h"

/* --- arenas ----------------------------------------------------------------------------------------------------- */

typedef struct arena {
    intptr_t      traits;
    _Atomic(int)  state;
    void         *inner;
    int           places;
    unsigned      reserved;
    int           priority, numa_node, core_type, threads_per_core;
    char          room[64]; /* should it grow */
    int           users;
} arena;

enum { ARENA_MAX = 64, ARENA_OF_CORE_TYPES = 1, ARENA_STARTED = 2, ARENA_NORMAL = 2 * (INT32_MAX / 4), ARENA_ANY = -1 };

/* Arenas are kept for as long as the process: who needs one takes a free one of its size. With two callers in one arena
 * the second waits for the first, so that is for the case that there are more callers than arenas. */
static struct {
    pthread_mutex_t lock;
    int             count;
    arena           at[ARENA_MAX];
} arenas = {.lock = PTHREAD_MUTEX_INITIALIZER};

static arena *find_arena(int places, bool free_only)
{
    for (int i = 0; i < arenas.count; i++)
        if (arenas.at[i].places == places && !(free_only && arenas.at[i].users)) return &arenas.at[i];
    return NULL;
}

static arena *take_arena(const onednn_library *library, int places)
{
    pthread_mutex_lock(&arenas.lock);
    arena *it = find_arena(places, true);
    if (!it && arenas.count < ARENA_MAX) {
        it = &arenas.at[arenas.count++];
        it->traits = ARENA_OF_CORE_TYPES;
        it->places = places;
        it->reserved = 1;
        it->priority = ARENA_NORMAL;
        it->numa_node = it->core_type = it->threads_per_core = ARENA_ANY;
        library->arena_start(it);
        it->state = ARENA_STARTED;
    }
    if (!it) it = find_arena(places, false);
    if (!it) it = &arenas.at[0]; /* of another size, but of one thread: the first that was asked for */
    it->users++;
    pthread_mutex_unlock(&arenas.lock);
    return it;
}

static void give_arena(arena *it)
{
    pthread_mutex_lock(&arenas.lock);
    it->users--;
    pthread_mutex_unlock(&arenas.lock);
}

typedef struct delegate {
    void *const *functions;
    void (*work)(void *argument);
    void *argument;
} delegate;

static bool delegate_call(const delegate *it)
{
    it->work(it->argument);
    return true;
}

static void delegate_end(delegate *it)
{
    (void)it; /* it lies on the stack of whoever called */
}

/* Before the functions: how far it is to the top of the object, and its type, which nobody asks for. */
static void *const delegate_table[] = {NULL, NULL, (void *)delegate_call, (void *)delegate_end, (void *)delegate_end};

static void with_arena(const onednn_library *library, int threads, void (*work)(void *argument), void *argument)
{
    arena   *it = take_arena(library, threads);
    delegate call = {delegate_table + 2, work, argument};
    library->arena_run(it, &call);
    give_arena(it);
}

/* --- which it is ------------------------------------------------------------------------------------------------ */

static void note_places(void *argument)
{
    const onednn_library *library = ((void **)argument)[0];
    *(int *)((void **)argument)[1] = library->arena_places(NULL);
}

static const char *find_tbb(onednn_library *library, void *object)
{
    *(void **)&library->arena_start = dlsym(object, "_ZN3tbb6detail2r110initializeERNS0_2d115task_arena_baseE");
    *(void **)&library->arena_run =
        dlsym(object, "_ZN3tbb6detail2r17executeERNS0_2d115task_arena_baseERNS2_13delegate_baseE");
    *(void **)&library->arena_places = dlsym(object, "_ZN3tbb6detail2r115max_concurrencyEPKNS0_2d115task_arena_baseE");
    if (!library->arena_start || !library->arena_run || !library->arena_places)
        return "its threads are TBB's, of a release that cannot be kept to a number of them";
    for (int threads = 1; threads <= 2; threads++) {
        int   places = 0;
        void *both[] = {library, &places};
        with_arena(library, threads, note_places, both);
        if (places != threads) return "its threads are TBB's, and take no notice of how many they may be";
    }
    return NULL;
}

const char *hone_onednn_threads_find(onednn_library *library, void *object, unsigned cpu_runtime)
{
    switch (cpu_runtime) {
    case ONEDNN_BUILT_ALONE: library->runtime = ONEDNN_ALONE; return NULL;
    case ONEDNN_BUILT_FOR_OPENMP:
        library->runtime = ONEDNN_OPENMP;
        *(void **)&library->count = dlsym(object, "omp_get_max_threads");
        *(void **)&library->set_count = dlsym(object, "omp_set_num_threads");
        return library->count && library->set_count ? NULL : "its OpenMP has no count of threads";
    case ONEDNN_BUILT_FOR_SYCL: /* on a CPU without a device of SYCL's, and in its call, it takes TBB's */
    case ONEDNN_BUILT_FOR_TBB: library->runtime = ONEDNN_TBB; return find_tbb(library, object);
    default: return "it was built for threads that its caller brings in C++";
    }
}

void hone_onednn_with(const onednn_library *library, int threads, void (*work)(void *argument), void *argument)
{
    switch (library->runtime) {
    case ONEDNN_ALONE: work(argument); break;
    case ONEDNN_OPENMP: {
        const int before = library->count();
        if (before != threads) library->set_count(threads);
        work(argument);
        if (before != threads) library->set_count(before);
        break;
    }
    case ONEDNN_TBB: with_arena(library, threads, work, argument); break;
    }
}
