/* Files: read within limits, written whole or not at all, never through what others planted.
 *
 *     test_file            with 200 writers killed
 *     test_file 100000     with as many as you like */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/random.h"
#include "base/status.h"
#include "tests/memory.h"

static char folder[64];
static int  kills = 200;

static const char *in_folder(const char *name)
{
    static char paths[4][256];
    static int  at;
    at = (at + 1) % 4;
    snprintf(paths[at], sizeof paths[at], "%s/%s", folder, name);
    return paths[at];
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/hone-test-file-XXXXXX");
    return mkdtemp(folder) ? chmod(folder, 0755) : -1;
}

static int remove_folder(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void assert_content(const char *path, const char *expected)
{
    char  *data;
    size_t bytes;
    assert_int_equal(hone_file_read(path, 1 << 20, &data, &bytes), HONE_OK);
    assert_int_equal(bytes, strlen(expected));
    assert_string_equal(data, expected);
    hone_free(data);
}

static int entries(void)
{
    char  command[160];
    FILE *pipe;
    int   count = -1;
    snprintf(command, sizeof command, "ls -A %s | wc -l", folder);
    pipe = popen(command, "r");
    if (pipe && fscanf(pipe, "%d", &count) != 1) count = -1;
    if (pipe) pclose(pipe);
    return count;
}

/* --- reading and writing -------------------------------------------------------------------------------------- */

static void what_is_written_is_read(void **state)
{
    const char *path = in_folder("a");
    char       *data;
    size_t      bytes;
    struct stat facts;
    (void)state;
    assert_int_equal(hone_file_write(path, "first", 5), HONE_OK);
    assert_content(path, "first");
    assert_int_equal(hone_file_write(path, "", 0), HONE_OK);
    assert_content(path, "");
    assert_int_equal(hone_file_write(path, "a\0b", 3), HONE_OK);
    assert_int_equal(hone_file_read(path, 3, &data, &bytes), HONE_OK); /* exactly the limit */
    assert_int_equal(bytes, 3);
    assert_memory_equal(data, "a\0b", 4);
    hone_free(data);
    assert_int_equal(hone_file_head(path, 2, &data, &bytes), HONE_OK);
    assert_int_equal(bytes, 2);
    assert_memory_equal(data, "a\0", 3);
    hone_free(data);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777 & ~0644, 0);
    assert_int_equal(entries(), 1); /* nothing left beside it */

    assert_int_equal(chdir(folder), 0); /* a name alone is a file of this folder */
    assert_int_equal(hone_file_write("a", "here", 4), HONE_OK);
    assert_content(path, "here");
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(unlink(path), 0);
}

static void what_cannot_be_read_is_told(void **state)
{
    char  *data = (char *)1;
    size_t bytes = 1;
    (void)state;
    assert_int_equal(hone_file_read(in_folder("none"), 10, &data, &bytes), HONE_ERROR_NOT_FOUND);
    assert_null(data);
    assert_int_equal(bytes, 0);
    assert_non_null(strstr(hone_last_error(), "none"));
    assert_int_equal(hone_file_read(folder, 10, &data, &bytes), HONE_ERROR_FILE);
    assert_non_null(strstr(hone_last_error(), "no regular file"));
    assert_int_equal(hone_file_read("/dev/zero", 10, &data, &bytes), HONE_ERROR_FILE);
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    assert_int_equal(hone_file_read(in_folder("pipe"), 10, &data, &bytes), HONE_ERROR_FILE); /* and does not wait */
    assert_int_equal(unlink(in_folder("pipe")), 0);
    assert_int_equal(hone_file_write(in_folder("b"), "12345", 5), HONE_OK);
    assert_int_equal(hone_file_read(in_folder("b"), 4, &data, &bytes), HONE_ERROR_FILE);
    assert_non_null(strstr(hone_last_error(), "it has 5 bytes, and 4 is the limit"));
    assert_int_equal(hone_file_read(in_folder("b/c"), 4, &data, &bytes), HONE_ERROR_FILE); /* a file is no folder */
    assert_int_equal(unlink(in_folder("b")), 0);
}

static void what_cannot_be_written_is_told(void **state)
{
    char longer[5000];
    (void)state;
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    assert_int_equal(hone_file_write("", "x", 1), HONE_ERROR_FILE);
    assert_int_equal(hone_file_write("/", "x", 1), HONE_ERROR_FILE);
    assert_int_equal(hone_file_write(in_folder(".."), "x", 1), HONE_ERROR_FILE);
    assert_int_equal(hone_file_write(longer, "x", 1), HONE_ERROR_FILE);
    assert_int_equal(hone_file_write(in_folder("none/x"), "x", 1), HONE_ERROR_FILE);
    assert_non_null(strstr(hone_last_error(), "none/x: No such file or directory"));
    assert_int_equal(mkdir(in_folder("d"), 0700), 0);
    assert_int_equal(hone_file_write(in_folder("d"), "x", 1), HONE_ERROR_FILE); /* a folder is there */
    assert_int_equal(rmdir(in_folder("d")), 0);
    assert_int_equal(entries(), 0);
}

static void a_link_is_replaced_not_followed(void **state)
{
    struct stat facts;
    (void)state;
    assert_int_equal(hone_file_write(in_folder("target"), "old", 3), HONE_OK);
    assert_int_equal(symlink("target", in_folder("link")), 0);
    assert_content(in_folder("link"), "old"); /* our own link may be read through */
    assert_int_equal(hone_file_write(in_folder("link"), "new", 3), HONE_OK);
    assert_content(in_folder("target"), "old");
    assert_content(in_folder("link"), "new");
    assert_int_equal(lstat(in_folder("link"), &facts), 0);
    assert_true(S_ISREG(facts.st_mode));
    assert_int_equal(unlink(in_folder("link")), 0);

    assert_int_equal(symlink("nowhere", in_folder("link")), 0);
    char  *data;
    size_t bytes;
    assert_int_equal(hone_file_read(in_folder("link"), 9, &data, &bytes), HONE_ERROR_NOT_FOUND);
    if (geteuid() == 0) { /* root alone can make another user's link */
        assert_int_equal(unlink(in_folder("link")), 0);
        assert_int_equal(symlink("target", in_folder("link")), 0);
        assert_int_equal(lchown(in_folder("link"), 65534, 65534), 0);
        assert_int_equal(hone_file_read(in_folder("link"), 9, &data, &bytes), HONE_ERROR_FILE);
        assert_non_null(strstr(hone_last_error(), "a link that another user made"));
    }
    assert_int_equal(unlink(in_folder("link")), 0);
    assert_int_equal(unlink(in_folder("target")), 0);
}

static void short_memory_is_told(void **state)
{
    test_memory memory;
    char       *data;
    size_t      bytes;
    (void)state;
    assert_int_equal(hone_file_write(in_folder("a"), "text", 4), HONE_OK);
    assert_int_equal(test_memory_use(&memory), HONE_OK);
    memory.fail_at = 1;
    assert_int_equal(hone_file_read(in_folder("a"), 9, &data, &bytes), HONE_ERROR_MEMORY);
    assert_null(data);
    assert_int_equal(test_memory_use(NULL), HONE_OK);
    assert_int_equal(unlink(in_folder("a")), 0);
}

static void what_dead_writers_left_is_swept(void **state)
{
    struct timespec old[2] = {{1000000, 0}, {1000000, 0}};
    (void)state;
    static const char *const left[] = {".a.77-0.part", ".a.78-1.part", ".b.77-0.part"};
    for (int i = 0; i < 3; i++) {
        int file = open(in_folder(left[i]), O_CREAT | O_WRONLY, 0600);
        assert_true(file >= 0);
        if (i != 1) assert_int_equal(futimens(file, old), 0); /* the second may still be at work */
        close(file);
    }
    assert_int_equal(hone_file_write(in_folder("a"), "text", 4), HONE_OK);
    assert_int_equal(access(in_folder(left[0]), F_OK), -1);
    assert_int_equal(access(in_folder(left[1]), F_OK), 0);
    assert_int_equal(access(in_folder(left[2]), F_OK), 0); /* another file's */
    assert_int_equal(unlink(in_folder(left[1])) | unlink(in_folder(left[2])) | unlink(in_folder("a")), 0);
}

/* --- full disks and rights ------------------------------------------------------------------------------------- */

/* Runs `body` in a process of its own; gives what it returns. */
static int in_child(int (*body)(void))
{
    int   status = 255 << 8;
    pid_t child = fork();
    if (child == 0) _exit(body());
    assert_true(child > 0 && waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static int write_beyond_the_limit(void)
{
    static char   data[1 << 16];
    struct rlimit limit = {4096, 4096};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) < 0) return 1;
    if (hone_file_write(in_folder("full"), data, sizeof data) != HONE_ERROR_FILE) return 2;
    return strstr(hone_last_error(), "full: File too large") ? 0 : 3;
}

static void a_full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    assert_int_equal(hone_file_write(in_folder("full"), "old", 3), HONE_OK);
    assert_int_equal(in_child(write_beyond_the_limit), 0);
    assert_content(in_folder("full"), "old");
    assert_int_equal(entries(), 1);
    assert_int_equal(unlink(in_folder("full")), 0);
}

enum { NOBODY = 65534 };

static int become_nobody(void)
{
    return geteuid() == 0 ? setgid(NOBODY) || setuid(NOBODY) : 0;
}

static int write_where_one_may_not(void)
{
    char  *data;
    size_t bytes;
    if (become_nobody()) return 77;
    if (hone_file_write(in_folder("closed/a"), "new", 3) != HONE_ERROR_FILE) return 2;
    if (!strstr(hone_last_error(), "closed/a: Permission denied")) return 3;
    if (hone_file_read(in_folder("closed/a"), 9, &data, &bytes) != HONE_ERROR_FILE) return 4;
    if (!strstr(hone_last_error(), "Permission denied")) return 5;
    if (hone_folder_make(in_folder("closed/x/y")) != HONE_ERROR_FILE) return 6;
    if (!strstr(hone_last_error(), "closed/x/y: Permission denied")) return 7;
    return 0;
}

static void rights_are_told(void **state)
{
    (void)state;
    assert_int_equal(mkdir(in_folder("closed"), 0700), 0);
    assert_int_equal(hone_file_write(in_folder("closed/a"), "old", 3), HONE_OK);
    assert_int_equal(chmod(in_folder("closed/a"), 0), 0);
    assert_int_equal(chmod(in_folder("closed"), 0555), 0);
    int result = in_child(write_where_one_may_not);
    assert_int_equal(chmod(in_folder("closed"), 0700) | chmod(in_folder("closed/a"), 0600), 0);
    if (result != 77) assert_int_equal(result, 0);
    assert_content(in_folder("closed/a"), "old");
    assert_int_equal(unlink(in_folder("closed/a")) | rmdir(in_folder("closed")), 0);
    if (result == 77) skip();
}

static int use_anothers_folder(void)
{
    if (become_nobody()) return 77;
    if (hone_folder_private(in_folder("mine")) != HONE_ERROR_FILE) return 2;
    return strstr(hone_last_error(), "belongs to the user of number") ? 0 : 3;
}

static void private_folders_are_private(void **state)
{
    struct stat facts;
    (void)state;
    assert_int_equal(hone_folder_private(in_folder("mine/a/b")), HONE_OK);
    assert_int_equal(hone_folder_private(in_folder("mine/a/b/")), HONE_OK); /* it is there */
    assert_int_equal(stat(in_folder("mine/a/b"), &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0700);
    assert_int_equal(stat(in_folder("mine"), &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0700);

    assert_int_equal(chmod(in_folder("mine/a/b"), 0770), 0);
    assert_int_equal(hone_folder_private(in_folder("mine/a/b")), HONE_ERROR_FILE);
    assert_non_null(strstr(hone_last_error(), "others may write there (its mode is 770"));
    assert_int_equal(hone_folder_make(in_folder("mine/a/b")), HONE_OK); /* one that was named is taken */

    assert_int_equal(hone_file_write(in_folder("mine/file"), "x", 1), HONE_OK);
    assert_int_equal(hone_folder_make(in_folder("mine/file")), HONE_ERROR_FILE);
    assert_int_equal(hone_folder_make(in_folder("mine/file/below")), HONE_ERROR_FILE);
    assert_int_equal(hone_folder_make(""), HONE_ERROR_FILE);
    if (geteuid() == 0) {
        assert_int_equal(chmod(in_folder("mine"), 0755), 0);
        assert_int_equal(in_child(use_anothers_folder), 0);
        assert_int_equal(symlink("mine", in_folder("planted")), 0);
        assert_int_equal(lchown(in_folder("planted"), NOBODY, NOBODY), 0);
        assert_int_equal(hone_folder_private(in_folder("planted")), HONE_ERROR_FILE);
    }
}

/* --- killed writers -------------------------------------------------------------------------------------------- */

/* Contents that tell themselves: a number, then bytes that follow from it, of a length that follows too. */
static size_t content(uint64_t number, char *out)
{
    size_t bytes = 8 + hone_random_at(number, 0) % 60000;
    memcpy(out, &number, 8);
    for (size_t i = 8; i < bytes; i++) out[i] = (char)hone_random_at(number, i / 64);
    return bytes;
}

static void a_killed_writer_leaves_old_or_new(void **state)
{
    static char  expected[1 << 16], mine[1 << 16];
    hone_random  r = hone_random_seeded((uint64_t)getpid());
    const char  *path = in_folder("killed");
    char        *found;
    size_t       bytes;
    uint64_t     last = 0, advanced = 0;
    (void)state;
    assert_int_equal(hone_file_write(path, expected, content(0, expected)), HONE_OK);
    for (int i = 0; i < kills; i++) {
        uint64_t first = last + 1;
        pid_t    child = fork();
        assert_true(child >= 0);
        if (child == 0)
            for (uint64_t number = first;; number++)
                if (hone_file_write(path, mine, content(number, mine)) != HONE_OK) _exit(1);
        int status;
        usleep((useconds_t)hone_random_below(&r, 15000));
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(hone_file_read(path, sizeof expected, &found, &bytes), HONE_OK);
        uint64_t number;
        assert_true(bytes >= 8);
        memcpy(&number, found, 8);
        assert_true(number >= last);
        assert_int_equal(bytes, content(number, expected));
        assert_memory_equal(found, expected, bytes);
        hone_free(found);
        advanced += number > last;
        last = number;
    }
    print_message("%d writers killed, %llu files written by them, %llu found changed\n", kills,
                  (unsigned long long)last, (unsigned long long)advanced);
}

int main(int count, char **arguments)
{
    if (count > 1) kills = atoi(arguments[1]);
    umask(022);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),         cmocka_unit_test(what_cannot_be_read_is_told),
        cmocka_unit_test(what_cannot_be_written_is_told),  cmocka_unit_test(a_link_is_replaced_not_followed),
        cmocka_unit_test(short_memory_is_told),            cmocka_unit_test(what_dead_writers_left_is_swept),
        cmocka_unit_test(a_full_disk_leaves_the_old_file), cmocka_unit_test(rights_are_told),
        cmocka_unit_test(private_folders_are_private),     cmocka_unit_test(a_killed_writer_leaves_old_or_new),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
