/* What the CPU kernels' estimates know of dealing out work (kernels/common/deal.h). */
#include "kernels/common/deal.h"
#include "kernels/matmul/frame.h"

double hone_matmul_dealt_seconds(const hone_be_device *device, int threads, int64_t units, double seconds)
{
    return hone_deal_seconds(threads, units, seconds, hone_matmul_fork_seconds(device, threads));
}

int hone_matmul_threads(const hone_request *request, const hone_config *config, hone_matmul_estimate_fn *estimate,
                        int64_t units)
{
    if (request->threads < 2 || units < 2) return 1;
    return hone_deal_threads(request->threads, units, hone_matmul_alone_seconds(request, config, estimate));
}

double hone_matmul_alone_seconds(const hone_request *request, const hone_config *config,
                                 hone_matmul_estimate_fn *estimate)
{
    hone_request alone = *request;
    alone.threads = 1;
    return estimate(&alone, config);
}
