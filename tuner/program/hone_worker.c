/* hone-worker: the process in which the tuner tries candidates (tuner/worker.h). It is started by hone alone. */
#include "tuner/worker.h"

int main(void)
{
    return hone_worker_serve(NULL, 0);
}
