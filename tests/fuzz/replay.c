/* replay FOLDER [MUTATIONS [SEED]]: each file of the folder through the fuzz target, then so many mutations of them,
 * the same ones for the same seed. What libFuzzer once found lies in the folder and is never let in again. */
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "tests/fuzz/fuzz.h"

enum { FILES_MAX = 256, BYTES_MAX = 1 << 17 };

static struct {
    uint8_t *data;
    size_t   bytes;
} files[FILES_MAX];
static int      count;
static uint8_t  work[BYTES_MAX];
static size_t   work_bytes;
static uint64_t seed = 1;
static long     mutation = -1;

/* Whatever kills us: say what repeats it, and leave the input behind. */
static void tell(int signal_number)
{
    char text[160];
    int  length =
        snprintf(text, sizeof text, "died with signal %d at mutation %ld of seed %llu; the input is in replay.crash\n",
                 signal_number, mutation, (unsigned long long)seed);
    FILE *file = fopen("replay.crash", "wb");
    if (file) fwrite(work, 1, work_bytes, file), fclose(file);
    if (write(2, text, (size_t)length) < 0) _exit(2);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void run(void)
{
    uint8_t *exact = malloc(work_bytes + !work_bytes);
    memcpy(exact, work, work_bytes);
    LLVMFuzzerTestOneInput(exact, work_bytes);
    free(exact);
}

static int by_content(const void *left, const void *right) /* folders have no order */
{
    const uint8_t *const *a = left, *const *b = right;
    return strcmp((const char *)*a, (const char *)*b);
}

static void read_folder(const char *name)
{
    DIR *folder = opendir(name);
    if (!folder || chdir(name) != 0) {
        perror(name);
        exit(2);
    }
    for (struct dirent *entry; (entry = readdir(folder)) && count < FILES_MAX;) {
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(entry->d_name, "rb");
        if (!file) continue;
        files[count].data = calloc(BYTES_MAX + 1, 1);
        files[count].bytes = fread(files[count].data, 1, BYTES_MAX, file);
        fclose(file);
        count++;
    }
    closedir(folder);
    qsort(files, (size_t)count, sizeof *files, by_content);
}

static void flip(hone_random *r)
{
    if (work_bytes) work[hone_random_below(r, work_bytes)] ^= (uint8_t)(1u << hone_random_below(r, 8));
}

static void write_byte(hone_random *r)
{
    static const uint8_t special[] = "\0\n\"\\{}[]:,-+.eE0919 x\xff\x80=";
    uint8_t              byte =
        hone_random_below(r, 2) ? special[hone_random_below(r, sizeof special)] : (uint8_t)hone_random_below(r, 256);
    if (work_bytes) work[hone_random_below(r, work_bytes)] = byte;
}

static void cut_out(hone_random *r)
{
    if (!work_bytes) return;
    size_t at = hone_random_below(r, work_bytes), length = 1 + hone_random_below(r, work_bytes - at);
    if (hone_random_below(r, 4)) length = length > 8 ? 8 : length;
    memmove(work + at, work + at + length, work_bytes - at - length);
    work_bytes -= length;
}

/* A piece of this file or another, put somewhere. */
static void put_in(hone_random *r)
{
    int    from = (int)hone_random_below(r, (uint64_t)count);
    size_t room = BYTES_MAX - work_bytes, at = hone_random_below(r, work_bytes + 1);
    if (!files[from].bytes) return;
    size_t start = hone_random_below(r, files[from].bytes),
           length = 1 + hone_random_below(r, files[from].bytes - start);
    if (hone_random_below(r, 4) && length > 16) length = 16;
    if (length > room) length = room;
    memmove(work + at + length, work + at, work_bytes - at);
    memcpy(work + at, files[from].data + start, length);
    work_bytes += length;
}

int main(int argument_count, char **arguments)
{
    long mutations = argument_count > 2 ? atol(arguments[2]) : 0;
    if (argument_count > 3) seed = strtoull(arguments[3], NULL, 10);
    if (argument_count < 2) {
        fprintf(stderr, "usage: %s FOLDER [MUTATIONS [SEED]]\n", arguments[0]);
        return 2;
    }
    char *before = getcwd(NULL, 0);
    read_folder(arguments[1]);
    if (!before || chdir(before) != 0) return 2;
    free(before);
    signal(SIGABRT, tell);
    signal(SIGSEGV, tell);
    for (int i = 0; i < count; i++) {
        memcpy(work, files[i].data, work_bytes = files[i].bytes);
        run();
    }
    for (mutation = 0; mutation < mutations && count; mutation++) {
        static void (*const ways[])(hone_random *) = {flip, write_byte, cut_out, put_in};
        hone_random r = hone_random_seeded(hone_random_at(seed, (uint64_t)mutation));
        int         from = (int)hone_random_below(&r, (uint64_t)count);
        memcpy(work, files[from].data, work_bytes = files[from].bytes);
        for (uint64_t left = 1 + hone_random_below(&r, 4); left; left--)
            ways[hone_random_below(&r, sizeof ways / sizeof *ways)](&r);
        run();
    }
    printf("%d files, %ld mutations\n", count, mutations);
    for (int i = 0; i < count; i++) free(files[i].data);
    return count ? 0 : 2;
}
