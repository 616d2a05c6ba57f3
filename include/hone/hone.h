/* The door of hone: everything a caller may use. */
#ifndef HONE_HONE_H
#define HONE_HONE_H

#include <hone/accuracy.h>
#include <hone/api.h>
#include <hone/attention.h>
#include <hone/buffer.h>
#include <hone/context.h>
#include <hone/device.h>
#include <hone/dlpack.h>
#include <hone/dtype.h>
#include <hone/grouped.h>
#include <hone/matmul.h>
#include <hone/plan.h>
#include <hone/status.h>
#include <hone/stream.h>
#include <hone/tensor.h>
#include <hone/version.h>
#include <hone/weights.h>

#endif
