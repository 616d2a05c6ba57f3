/* The shared library, opened by name, used on two threads, and closed again: neither a thread nor its code is left. */
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
/* cmocka wants the above */
#include <cmocka.h>

#include <hone/hone.h>

static const char *library;

static int tasks(void)
{
    int  count = 0;
    DIR *folder = opendir("/proc/self/task");
    assert_non_null(folder);
    for (struct dirent *it; (it = readdir(folder));) count += it->d_name[0] != '.';
    closedir(folder);
    return count;
}

static void *symbol(void *it, const char *name)
{
    void *at = dlsym(it, name);
    if (!at) fail_msg("%s has no %s", library, name);
    return at;
}

enum { SIDE = 300 };

static void *nothing(void *argument)
{
    return argument;
}

static void no_thread_is_left(void **state)
{
    static float a[SIDE * SIDE], b[SIDE * SIDE], c[SIDE * SIDE];
    pthread_t    first;
    (void)state;
    /* A sanitizer makes a thread of its own together with the first one. */
    assert_int_equal(pthread_create(&first, NULL, nothing, NULL), 0);
    pthread_join(first, NULL);
    nanosleep(&(struct timespec){0, 50000000}, NULL);
    int before = tasks();
    for (int i = 0; i < SIDE * SIDE; i++) a[i] = b[i] = 1;
    for (int round = 0; round < 3; round++) {
        void *it = dlopen(library, RTLD_NOW | RTLD_LOCAL);
        if (!it) fail_msg("%s", dlerror());
        hone_context_options options = HONE_CONTEXT_OPTIONS;
        hone_context        *hone;
        hone_device         *cpu;
        hone_stream         *stream;
        hone_tensor          ta = hone_matrix(HONE_F32, SIDE, SIDE, a), tb = hone_matrix(HONE_F32, SIDE, SIDE, b);
        hone_tensor          tc = hone_matrix(HONE_F32, SIDE, SIDE, c);
        __typeof__(&hone_context_create)  create = symbol(it, "hone_context_create");
        __typeof__(&hone_device_find)     find = symbol(it, "hone_device_find");
        __typeof__(&hone_stream_create)   open_stream = symbol(it, "hone_stream_create");
        __typeof__(&hone_matmul)          multiply = symbol(it, "hone_matmul");
        __typeof__(&hone_stream_destroy)  close_stream = symbol(it, "hone_stream_destroy");
        __typeof__(&hone_context_destroy) destroy = symbol(it, "hone_context_destroy");
        options.thread_count = 2;
        assert_int_equal(create(&options, &hone), HONE_OK);
        assert_int_equal(find(hone, "cpu:0", &cpu), HONE_OK);
        assert_int_equal(open_stream(cpu, &stream), HONE_OK);
        assert_int_equal(multiply(stream, &ta, &tb, &tc, NULL), HONE_OK);
        for (int i = 0; i < SIDE * SIDE; i++) assert_true(c[i] > SIDE - 1 && c[i] < SIDE + 1);
        assert_int_equal(tasks(), before + 1);
        assert_int_equal(close_stream(stream), HONE_OK);
        assert_int_equal(destroy(hone), HONE_OK);
        assert_int_equal(dlclose(it), 0);
        /* A thread that was waited for may be listed for a moment. */
        for (int i = 0; i < 10000 && tasks() != before; i++) nanosleep(&(struct timespec){0, 1000000}, NULL);
        assert_int_equal(tasks(), before);
        assert_null(dlopen(library, RTLD_NOW | RTLD_NOLOAD));
    }
}

int main(int count, char **words)
{
    if (count < 2) {
        fprintf(stderr, "usage: test_unload LIBHONE\n");
        return 2;
    }
    library = words[1];
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_thread_is_left)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
