/* A worker that knows the faulty kernel. */
#include "tests/tuner/faulty.h"
#include "tuner/worker.h"

int main(void)
{
    const hone_module *const modules[] = {&faulty_module};
    return hone_worker_serve(modules, 1);
}
