/* Threads of the program's own. The caller works too; chunks are claimed one by one, so nobody waits for a worker that
 * has not begun. Workers look for work for a short while and then sleep.
 *
 * What is claimed is a ticket: the number of the call in its upper half, the next chunk in its lower one. A worker that
 * comes late finds another call's number there, and takes nothing of it by mistake. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cli/cli.h"

#define SPIN_NS 50000

struct cli_team {
    hone_threads     threads;
    pthread_t       *workers;
    int              worker_count;
    pthread_mutex_t  lock;
    pthread_cond_t   wake;
    _Atomic uint64_t ticket;
    _Atomic int      chunks, done, sleeping;
    _Atomic bool     stop;
    void (*work)(void *argument, int chunk);
    void *argument;
};

static void claim_all(cli_team *team, uint64_t call)
{
    for (;;) {
        uint64_t ticket = atomic_load(&team->ticket);
        int      chunk = (int)(uint32_t)ticket;
        if (ticket >> 32 != call || chunk >= atomic_load(&team->chunks)) return;
        if (!atomic_compare_exchange_weak(&team->ticket, &ticket, ticket + 1)) continue;
        team->work(team->argument, chunk); /* stands until this chunk is done */
        atomic_fetch_add(&team->done, 1);
    }
}

static bool nothing_new(cli_team *team, uint64_t seen)
{
    return atomic_load(&team->ticket) >> 32 == seen && !atomic_load(&team->stop);
}

static void *worker(void *self)
{
    cli_team *team = self;
    uint64_t  seen = 0;
    while (!atomic_load(&team->stop)) {
        int64_t until = hone_now_ns() + SPIN_NS;
        while (nothing_new(team, seen) && hone_now_ns() < until) {
        }
        if (nothing_new(team, seen)) {
            pthread_mutex_lock(&team->lock);
            atomic_fetch_add(&team->sleeping, 1);
            while (nothing_new(team, seen)) pthread_cond_wait(&team->wake, &team->lock);
            atomic_fetch_sub(&team->sleeping, 1);
            pthread_mutex_unlock(&team->lock);
        }
        seen = atomic_load(&team->ticket) >> 32;
        claim_all(team, seen);
    }
    return NULL;
}

static void wake_all(cli_team *team)
{
    if (!atomic_load(&team->sleeping)) return;
    pthread_mutex_lock(&team->lock);
    pthread_cond_broadcast(&team->wake);
    pthread_mutex_unlock(&team->lock);
}

static void run(void *self, int chunks, void (*work)(void *argument, int chunk), void *argument)
{
    cli_team *team = self;
    uint64_t  call = ((atomic_load(&team->ticket) >> 32) + 1) & 0xffffffffu;
    team->work = work;
    team->argument = argument;
    atomic_store(&team->chunks, chunks);
    atomic_store(&team->done, 0);
    atomic_store(&team->ticket, call << 32);
    wake_all(team);
    claim_all(team, call);
    for (int turns = 0; atomic_load(&team->done) < chunks; turns++)
        if (turns > 1000) sched_yield();
}

cli_team *cli_team_new(int threads)
{
    cli_team *team = cli_alloc(1, sizeof *team);
    team->workers = cli_alloc((size_t)threads, sizeof *team->workers);
    team->threads = (hone_threads){team, threads, run};
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->wake, NULL);
    while (team->worker_count < threads - 1) {
        if (pthread_create(&team->workers[team->worker_count], NULL, worker, team) != 0) {
            cli_team_end(team);
            return NULL;
        }
        team->worker_count++;
    }
    return team;
}

const hone_threads *cli_team_threads(const cli_team *team)
{
    return team ? &team->threads : NULL;
}

void cli_team_end(cli_team *team)
{
    if (!team) return;
    pthread_mutex_lock(&team->lock);
    atomic_store(&team->stop, true);
    pthread_cond_broadcast(&team->wake);
    pthread_mutex_unlock(&team->lock);
    for (int i = 0; i < team->worker_count; i++) pthread_join(team->workers[i], NULL);
    pthread_cond_destroy(&team->wake);
    pthread_mutex_destroy(&team->lock);
    free(team->workers);
    free(team);
}
