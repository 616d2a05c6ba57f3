/* A handful of threads that run chunks, for judging what several threads make of a problem. Not made for speed. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/status.h"
#include "tuner/judge.h"

enum { POOL_MAX = 16 };

struct hone_judge_pool {
    hone_threads    threads;
    pthread_t       helper[POOL_MAX];
    int             helpers;
    pthread_mutex_t lock;
    pthread_cond_t  begins, ends;
    uint64_t        round; /* how many times run() was called */
    int             busy;  /* helpers that have not finished the round */
    bool            closing;
    void (*work)(void *argument, int chunk);
    void       *argument;
    int         chunks;
    atomic_int  next;
};

static void claim(hone_judge_pool *pool)
{
    int chunk;
    while ((chunk = atomic_fetch_add(&pool->next, 1)) < pool->chunks) pool->work(pool->argument, chunk);
}

static void *helper(void *argument)
{
    hone_judge_pool *pool = argument;
    uint64_t         seen = 0;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (pool->round == seen && !pool->closing) pthread_cond_wait(&pool->begins, &pool->lock);
        if (pool->closing) break;
        seen = pool->round;
        pthread_mutex_unlock(&pool->lock);
        claim(pool);
        pthread_mutex_lock(&pool->lock);
        if (--pool->busy == 0) pthread_cond_signal(&pool->ends);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static void pool_run(void *user, int chunks, void (*work)(void *argument, int chunk), void *argument)
{
    hone_judge_pool *pool = user;
    pthread_mutex_lock(&pool->lock);
    pool->work = work;
    pool->argument = argument;
    pool->chunks = chunks;
    atomic_store(&pool->next, 0);
    pool->busy = pool->helpers;
    pool->round++;
    pthread_cond_broadcast(&pool->begins);
    pthread_mutex_unlock(&pool->lock);
    claim(pool);
    pthread_mutex_lock(&pool->lock);
    while (pool->busy) pthread_cond_wait(&pool->ends, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

hone_status hone_judge_pool_create(int count, hone_judge_pool **out)
{
    *out = NULL;
    HONE_CHECK(count >= 1 && count <= POOL_MAX, HONE_ERROR_ARGUMENT, "judge: a pool of %d threads; 1 to %d go", count,
               POOL_MAX);
    hone_judge_pool *pool = hone_alloc(1, sizeof *pool);
    if (!pool) return HONE_ERROR_MEMORY;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->begins, NULL);
    pthread_cond_init(&pool->ends, NULL);
    pool->threads = (hone_threads){pool, count, pool_run};
    for (; pool->helpers < count - 1; pool->helpers++)
        if (pthread_create(&pool->helper[pool->helpers], NULL, helper, pool) != 0) {
            hone_judge_pool_destroy(pool);
            return hone_fail(HONE_ERROR_MEMORY, "judge: no more threads can be made");
        }
    *out = pool;
    return HONE_OK;
}

const hone_threads *hone_judge_pool_threads(hone_judge_pool *pool)
{
    return &pool->threads;
}

void hone_judge_pool_destroy(hone_judge_pool *pool)
{
    if (!pool) return;
    pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    pthread_cond_broadcast(&pool->begins);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->helpers; i++) pthread_join(pool->helper[i], NULL);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->begins);
    pthread_cond_destroy(&pool->ends);
    hone_free(pool);
}
