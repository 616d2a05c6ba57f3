/* The end of a tile: the text for one type. Set before including it, and unset by it: FINISH_NAME, FINISH_GATHER,
 * FINISH_SCATTER (names local to the file), FINISH_REAL.
 *
 * Operands lie in memory in types known at run time: those of FINISH_REAL, or fewer bits (simd_typed.h).
 * A row is done a vector at a time, through all steps. What is not contiguous along a row is gathered into a vector's
 * worth of memory first: such operands are rare, and a step costs little beside the products. */

/* The first n lanes of what lies at p, `stride` elements apart. */
static inline vec_of(FINISH_REAL) FINISH_GATHER(const char *p, hone_dtype type, int64_t stride, int n,
                                                vec_mask_of(FINISH_REAL) first)
{
    if (stride == 1) return vec_load_typed(FINISH_REAL, p, type, first);
    FINISH_REAL room[vec_lanes(FINISH_REAL)], *lane = room;
    vec_forget(lane);
    vec_move_typed(lane, vec_bytes_of(type), p, stride * vec_bytes_of(type), n, vec_bytes_of(type));
    return vec_load_typed(FINISH_REAL, lane, type, first);
}

static inline void FINISH_SCATTER(char *p, hone_dtype type, int64_t stride, int n, vec_mask_of(FINISH_REAL) first,
                                  vec_of(FINISH_REAL) x)
{
    if (stride == 1) {
        vec_store_typed(p, type, first, x);
        return;
    }
    FINISH_REAL room[vec_lanes(FINISH_REAL)], *lane = room;
    vec_forget(lane);
    vec_store_typed(lane, type, first, x);
    vec_move_typed(p, stride * vec_bytes_of(type), lane, vec_bytes_of(type), n, vec_bytes_of(type));
}

static void FINISH_NAME(const hone_matmul_finish_job *job)
{
    enum { LANES = vec_lanes(FINISH_REAL) };
    typedef vec_of(FINISH_REAL) vec;
    const vec beta = vec_broadcast((FINISH_REAL)job->beta);
    const hone_dtype c_type = job->c_type;
    const int64_t bytes = vec_bytes_of(c_type);

    for (int64_t i = 0; i < job->m; i++)
        for (int64_t j = 0; j < job->n; j += LANES) {
            const int n = job->n - j < LANES ? (int)(job->n - j) : LANES;
            const vec_mask_of(FINISH_REAL) first = vec_first(FINISH_REAL, n);
            char *c = (char *)job->c + (i * job->c_m + j * job->c_n) * bytes;
            vec x = vec_load_first((const FINISH_REAL *)job->from + i * job->from_m + j, first);
            if (job->beta != 0) x = vec_fma(beta, FINISH_GATHER(c, c_type, job->c_n, n, first), x);

            for (int s = 0; s < job->step_count; s++) {
                const hone_epilogue_now *step = &job->steps[s];
                char *at = step->at;
                vec t = vec_broadcast((FINISH_REAL)step->value);
                if (at) {
                    at += ((job->row + i) * step->row_stride + (job->column + j) * step->column_stride) *
                          vec_bytes_of(step->type);
                    if (step->kind != HONE_STEP_STORE) t = FINISH_GATHER(at, step->type, step->column_stride, n, first);
                }
                switch (step->kind) {
                default: break; /* none; those of a and b are done by then */
                case HONE_STEP_BIAS:
                case HONE_STEP_BIAS_ROWS:
                case HONE_STEP_SHIFT:
                case HONE_STEP_RESIDUAL: x = x + t; break;
                case HONE_STEP_SCALE_COLUMNS:
                case HONE_STEP_SCALE_ROWS:
                case HONE_STEP_SCALE: x = x * t; break;
                case HONE_STEP_RELU: x = vec_relu(x); break;
                case HONE_STEP_GELU: x = vec_gelu(x); break;
                case HONE_STEP_GELU_ERF: x = vec_gelu_erf(x); break;
                case HONE_STEP_SILU: x = vec_silu(x); break;
                case HONE_STEP_STORE: FINISH_SCATTER(at, step->type, step->column_stride, n, first, x); break;
                case HONE_STEP_RELU_GRADIENT: x = x * vec_relu_slope(t); break;
                case HONE_STEP_GELU_GRADIENT: x = x * vec_gelu_slope(t); break;
                case HONE_STEP_GELU_ERF_GRADIENT: x = x * vec_gelu_erf_slope(t); break;
                case HONE_STEP_SILU_GRADIENT: x = x * vec_silu_slope(t); break;
                }
            }
            FINISH_SCATTER(c, c_type, job->c_n, n, first, x);
        }
}

#undef FINISH_NAME
#undef FINISH_GATHER
#undef FINISH_SCATTER
#undef FINISH_REAL
