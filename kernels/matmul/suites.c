/* The problems that matmul is tuned and measured with, by name. */
#include <string.h>

#include "kernels/matmul/parts.h"

static const char *const smoke[] = {
    "f32 nn 64x64x64", "f32 nn 33x65x127 +bias+relu", "f64 tn 48x40x56 beta=1", "f32 nt 8x8x8 batch=16",
    "f32 nn 33x65x127 +bias b=n32", NULL};

static const char *const quick[] = {
    "f32 nn 64x64x64",   "f32 nn 256x256x256",   "f32 nn 512x512x512", "f32 nn 1024x1024x1024", "f32 nn 1x4096x4096",
    "f32 nn 8x4096x4096", "f32 nn 128x768x768 +bias", "f32 nn 128x3072x768 +bias+gelu", "f32 nn 17x1000x2048 +bias",
    "f32 nn 31x63x127",  "f32 nn 16x16x16 batch=256", "f32 nt 256x256x256", "f32 tn 256x256x256", "f64 nn 256x256x256",
    "f64 nn 512x512x512", NULL};

/* GPT-2's, BERT's and a vision transformer's products, forward and backward, and attention's own. */
static const char *const transformer[] = {
    "f32 nn 128x768x768 +bias",            /* projections of 128 tokens */
    "f32 nn 128x2304x768 +bias",           /* q, k and v at once */
    "f32 nn 128x3072x768 +bias+gelu",      /* the wide half of the feed-forward block */
    "f32 nn 128x768x3072 +bias+residual",  /* ... and back */
    "f32 nn 512x768x768 +bias",
    "f32 nn 512x3072x768 +bias+store+gelu_erf",
    "f32 nn 512x768x3072 +bias+residual",
    "f32 nn 197x768x768 +bias",            /* a picture of 14 x 14 patches and one */
    "f32 nn 197x3072x768 +bias+gelu_erf",
    "f32 nt 512x768x3072 +gelu_gradient",  /* gradients: of the input, */
    "f32 tn 768x3072x512",                 /* of the weights, */
    "f32 tn 768x3072x512 beta=1",          /* and accumulated */
    "f32 nt 512x512x64 batch=12",          /* scores of twelve heads */
    "f32 nn 512x64x512 batch=12",
    "f32 nn 1x768x768 +bias",              /* one token at a time */
    "f32 nn 1x3072x768 +bias+gelu",
    "f32 nn 1x768x3072 +bias+residual",
    "f32 nn 1x4096x4096",
    "f32 nn 1x11008x4096 +silu",
    "f32 nt 8x50257x768",                  /* words out of states */
    NULL};

/* Convolutions of ResNet-50 and MobileNet on pictures of 224 x 224, as the products they become: those of 1 x 1 as they
 * are, those of 3 x 3 and 7 x 7 with each patch a row; and what stands behind them. */
static const char *const convnet[] = {
    "f32 nn 12544x64x147 +bias+relu",      /* 7 x 7 over three colours */
    "f32 nn 3136x64x64 +bias+relu",        /* 56 x 56: into the block, */
    "f32 nn 3136x64x576 +bias+relu",       /* its 3 x 3, */
    "f32 nn 3136x256x64 +bias+residual+relu", /* and out of it */
    "f32 nn 784x128x512 +bias+relu",       /* 28 x 28 */
    "f32 nn 784x128x1152 +bias+relu",
    "f32 nn 784x512x128 +bias+residual+relu",
    "f32 nn 196x256x1024 +bias+relu",      /* 14 x 14 */
    "f32 nn 196x256x2304 +bias+relu",
    "f32 nn 196x1024x256 +bias+residual+relu",
    "f32 nn 49x512x2048 +bias+relu",       /* 7 x 7 */
    "f32 nn 49x512x4608 +bias+relu",
    "f32 nn 49x2048x512 +bias+residual+relu",
    "f32 nn 12544x16x32 +bias",            /* MobileNet's narrow ends */
    "f32 nn 3136x144x24 +bias+relu",
    "f32 nn 1x1000x2048 +bias",            /* the classes of one picture, */
    "f32 nn 32x1000x2048 +bias",           /* and of a batch */
    NULL};

/* One step of a GPT-2 block of 512 tokens, of a classifier's last layer and of an LSTM: forward, the gradient of the
 * input, and the gradient of the weights, accumulated. */
static const char *const training[] = {
    "f32 nn 512x2304x768 +bias",
    "f32 nt 512x768x2304",
    "f32 tn 768x2304x512 beta=1",
    "f32 nn 512x768x768 +bias+residual",
    "f32 nt 512x768x768",
    "f32 tn 768x768x512 beta=1",
    "f32 nn 512x3072x768 +bias+store+gelu",
    "f32 nt 512x3072x768 +gelu_gradient",
    "f32 tn 768x3072x512 beta=1",
    "f32 nn 512x768x3072 +bias+residual",
    "f32 nt 512x768x3072",
    "f32 tn 3072x768x512 beta=1",
    "f32 nt 512x512x64 batch=12",          /* scores, and their gradients */
    "f32 nn 512x64x512 batch=12",
    "f32 tn 512x64x512 batch=12",
    "f32 nn 64x1000x2048 +bias",
    "f32 nt 64x2048x1000",
    "f32 tn 2048x1000x64 beta=1",
    "f32 nn 32x2048x512 +bias",            /* an LSTM's four gates at once */
    "f32 tn 512x2048x32 beta=1",
    "f64 nn 128x128x128",                  /* what is computed in double beside it */
    NULL};

static const char *const full[] = {"f32 nn 64x64x64",
                                   "f32 nn 128x128x128",
                                   "f32 nn 256x256x256",
                                   "f32 nn 512x512x512",
                                   "f32 nn 1024x1024x1024",
                                   "f32 nn 2048x2048x2048",
                                   "f32 nt 512x512x512",
                                   "f32 tn 512x512x512",
                                   "f32 tt 512x512x512",
                                   "f32 nn 1x4096x4096",
                                   "f32 nn 8x4096x4096",
                                   "f32 nn 128x768x768 +bias",
                                   "f32 nn 128x3072x768 +bias+gelu",
                                   "f32 nn 512x768x3072 +bias+residual",
                                   "f32 nn 197x768x768 +bias",
                                   "f32 nn 17x1000x2048 +bias",
                                   "f32 nn 1000x10x512 +bias",
                                   "f32 nn 31x63x127",
                                   "f32 nn 4096x64x64",
                                   "f32 nn 64x4096x64",
                                   "f32 nn 5x5x100000",
                                   "f32 nn 8x8x8",
                                   "f32 nn 16x16x16",
                                   "f32 nn 24x24x24",
                                   "f32 nn 32x32x32",
                                   "f32 nn 48x48x48",
                                   "f32 nn 8x8x8 batch=1024",
                                   "f32 nn 16x16x16 batch=512 pointers=1",
                                   "f32 nn 64x64x64 batch=64",
                                   "f32 nn 512x512x512 lda=1024 ldb=1024 ldc=1024",
                                   "f32 nn 256x256x256 beta=1",
                                   "f32 tn 768x3072x512 beta=1",
                                   "f32 nt 512x768x3072 +gelu_gradient",
                                   "f32 nt 512x512x64 batch=12",
                                   "f32 nn 512x64x512 batch=12",
                                   "f32 nn 8x4096x4096 b=n32",
                                   "f32 nn 128x3072x768 b=n32",
                                   "f32 nn 17x1000x2048 b=n32",
                                   "f64 nn 64x64x64",
                                   "f64 nn 256x256x256",
                                   "f64 nn 512x512x512",
                                   "f64 nn 1024x1024x1024",
                                   "f64 nn 31x63x127",
                                   "f64 nt 256x256x256 beta=1",
                                   "f64 nn 1x2048x2048",
                                   "f64 nn 8x8x8 batch=1024",
                                   NULL};

/* Squares, the products of transformers for one token and many, and odd ones: what the figures of each type rest on. */
#define SPEED(types)                                                                                                   \
    types " nn 48x48x48", types " nn 64x64x64", types " nn 96x96x96", types " nn 128x128x128",                         \
    types " nn 192x192x192", types " nn 256x256x256", types " nn 384x384x384", types " nn 512x512x512",                \
    types " nn 768x768x768", types " nn 1024x1024x1024", types " nn 1536x1536x1536", types " nn 2048x2048x2048",       \
    types " nn 1x768x768", types " nn 1x3072x768", types " nn 1x768x3072", types " nn 1x4096x4096",                    \
    types " nn 1x1000x2048", types " nn 8x768x768", types " nn 8x3072x768", types " nn 8x768x3072",                    \
    types " nn 8x4096x4096", types " nn 8x1000x2048", types " nn 17x768x768", types " nn 17x3072x768",                 \
    types " nn 17x768x3072", types " nn 17x4096x4096", types " nn 17x1000x2048", types " nn 128x768x768",              \
    types " nn 128x3072x768", types " nn 128x768x3072", types " nn 128x4096x4096", types " nn 128x1000x2048",          \
    types " nn 197x768x768", types " nn 197x3072x768", types " nn 197x768x3072", types " nn 197x4096x4096",            \
    types " nn 197x1000x2048", types " nn 512x768x768", types " nn 512x3072x768", types " nn 512x768x3072",            \
    types " nn 512x4096x4096", types " nn 512x1000x2048", types " nn 31x63x127", types " nn 1000x10x512",              \
    types " nn 4096x64x64", types " nn 5x5x100000",
static const char *const speed[] = {SPEED("f32") NULL};
static const char *const speed_bf16[] = {SPEED("bf16") NULL};
static const char *const speed_f16[] = {SPEED("f16") NULL};
static const char *const speed_s8[] = {SPEED("u8:s8:s32") "s8:s8:s32 nn 256x256x256",
                                       "u8:s8:f32 nn 128x768x768 +bias", NULL};

/* Weights of few bits: one token and a few, by layers of 1 to 13 billion parameters; and what training and prompts do.
 */
#define WEIGHTS(types, how)                                                                                            \
    types " nn 1x768x768" how, types " nn 1x3072x768" how, types " nn 1x768x3072" how, types " nn 1x4096x4096" how,    \
    types " nn 2x4096x4096" how, types " nn 4x4096x4096" how, types " nn 8x4096x4096" how,                             \
    types " nn 16x4096x4096" how, types " nn 1x11008x4096" how, types " nn 1x4096x11008" how,                          \
    types " nn 8x11008x4096" how, types " nt 1x4096x4096" how, types " nt 4x4096x4096" how,                            \
    types " nt 16x4096x4096" how, types " nt 1x11008x4096" how, types " nt 1x1000x2048" how,                           \
    types " nn 128x4096x4096" how, types " nt 128x3072x768" how
static const char *const speed_s4w[] = {WEIGHTS("f32:s4:f32", " group=128"),
                                        "f32:u4:f32 nn 1x4096x4096 group=128 zeros=1",
                                        "f32:u4:f32 nt 1x4096x4096 group=64 zeros=1",
                                        "bf16:s4:bf16 nn 1x4096x4096 group=128 scales=bf16",
                                        "bf16:u4:f32 nt 8x4096x4096 group=32 scales=bf16 zeros=1",
                                        "f32:s4:f32 nt 128x4096x4096 group=1x128",
                                        NULL};
static const char *const speed_s8w[] = {WEIGHTS("f32:s8:f32", ""), "f32:u8:f32 nn 1x4096x4096 group=128 zeros=1",
                                        "f32:s8:f32 nt 1x4096x4096 group=128",
                                        "bf16:s8:bf16 nn 1x4096x4096 scales=bf16",
                                        "f32:s8:f32 nt 128x4096x4096 group=1x0", NULL};

/* Sizes drawn alike from 1 to 4096 in their logarithms, but for products below 2e3 and beyond 2e9 operations. */
static const char *const drawn[] = {
    "f32 nn 2458x4x18", "f32 nn 159x17x1", "f32 nn 141x26x17", "f32 nn 1793x8x2072", "f32 nn 49x15x2",
    "f32 nn 284x22x1933", "f32 nn 76x1301x213", "f32 nn 3x174x1064", "f32 nn 22x22x37", "f32 nn 128x1608x36",
    "f32 nn 75x6x312", "f32 nn 8x49x80", "f32 nn 27x46x1262", "f32 nn 64x476x838", "f32 nn 320x26x46",
    "f32 nn 3831x3721x2", "f32 nn 2726x2181x9", "f32 nn 121x22x834", "f32 nn 13x1x2315", "f32 nn 1844x3x574",
    "f32 nn 116x103x75", "f32 nn 303x86x52", "f32 nn 979x2x559", "f32 nn 2x13x486", "f32 nn 145x4x178",
    "f32 nn 1626x108x3", "f32 nn 431x155x373", "f32 nn 279x273x3858", "f32 nn 12x233x61", "f32 nn 2458x1x336",
    "f32 nn 200x332x2", "f32 nn 822x6x218", "f32 nn 68x92x4", "f32 nn 1804x10x3314", "f32 nn 78x534x607",
    "f32 nn 3x103x179", "f32 nn 52x1212x9", "f32 nn 14x88x82", "f32 nn 34x1448x214", "f32 nn 3403x7x116",
    "f32 nn 4x3695x762", "f32 nn 522x1209x2", "f32 nn 1x72x567", "f32 nn 36x72x22", "f32 nn 131x10x2298",
    "f32 nn 100x660x6", "f32 nn 1534x14x12", "f32 nn 157x90x36", "f32 nn 48x9x2259", "f32 nn 144x34x3", NULL};

/* Many at a time. */
static const char *const tiny[] = {
    "f32 nn 4x4x4 batch=1000 pointers=1", "f32 nn 8x8x8 batch=1000 pointers=1",
    "f32 nn 16x16x16 batch=1000 pointers=1", "f32 nn 24x24x24 batch=1000 pointers=1",
    "f32 nn 32x32x32 batch=1000 pointers=1", "f32 nn 48x48x48 batch=1000 pointers=1", "f32 nn 4x4x4 batch=1000",
    "f32 nn 8x8x8 batch=1000", "f32 nn 16x16x16 batch=1000", "f32 nn 24x24x24 batch=1000",
    "f32 nn 32x32x32 batch=1000", "f32 nn 48x48x48 batch=1000", NULL};

const char *const *hone_matmul_suite(const char *name)
{
    static const struct {
        const char        *name;
        const char *const *problems;
    } suites[] = {{"smoke", smoke},
                  {"quick", quick},
                  {"transformer", transformer},
                  {"full", full},
                  {"convnet", convnet},
                  {"training", training},
                  {"matmul-f32", speed},
                  {"matmul-bf16", speed_bf16},
                  {"matmul-f16", speed_f16},
                  {"matmul-s8", speed_s8},
                  {"matmul-s4w", speed_s4w},
                  {"matmul-s8w", speed_s8w},
                  {"matmul-f32-drawn", drawn},
                  {"matmul-f32-tiny", tiny}};
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++)
        if (strcmp(suites[i].name, name) == 0) return suites[i].problems;
    return NULL;
}
