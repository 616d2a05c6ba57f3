/* The end of a tile: the text for one type. Set before including it, and unset by it: FINISH_NAME, FINISH_GATHER,
 * FINISH_SCATTER (names local to the file), FINISH_REAL.
 *
 * A row is done a vector at a time, through all steps. What is not contiguous along a row is gathered into a vector's
 * worth of memory first: such operands are rare, and a step costs little beside the products. */

/* A pointer to the first n of a vector's lanes at p, `stride` apart: p itself, or `room`, filled. */
static inline const FINISH_REAL *FINISH_GATHER(const FINISH_REAL *p, int64_t stride, int n, FINISH_REAL *room)
{
    if (stride == 1) return p;
    for (int i = 0; i < n; i++) room[i] = p[i * stride];
    return room;
}

static inline void FINISH_SCATTER(FINISH_REAL *p, int64_t stride, int n, vec_mask_of(FINISH_REAL) first,
                                  vec_of(FINISH_REAL) x)
{
    FINISH_REAL room[vec_lanes(FINISH_REAL)];
    if (stride == 1) {
        vec_store_first(p, first, x);
        return;
    }
    vec_store(room, x);
    for (int i = 0; i < n; i++) p[i * stride] = room[i];
}

static void FINISH_NAME(const hone_matmul_finish_job *job)
{
    enum { LANES = vec_lanes(FINISH_REAL) };
    typedef vec_of(FINISH_REAL) vec;
    const vec beta = vec_broadcast((FINISH_REAL)job->beta);
    FINISH_REAL room[LANES];

    for (int64_t i = 0; i < job->m; i++)
        for (int64_t j = 0; j < job->n; j += LANES) {
            const int n = job->n - j < LANES ? (int)(job->n - j) : LANES;
            const vec_mask_of(FINISH_REAL) first = vec_first(FINISH_REAL, n);
            FINISH_REAL *c = (FINISH_REAL *)job->c + i * job->c_m + j * job->c_n;
            vec x = vec_load_first((const FINISH_REAL *)job->from + i * job->from_m + j, first);
            if (job->beta != 0) x = vec_fma(beta, vec_load_first(FINISH_GATHER(c, job->c_n, n, room), first), x);

            for (int s = 0; s < job->step_count; s++) {
                const hone_epilogue_now *step = &job->steps[s];
                FINISH_REAL *at = step->at;
                vec t = vec_broadcast((FINISH_REAL)step->value);
                if (at) {
                    at += (job->row + i) * step->row_stride + (job->column + j) * step->column_stride;
                    if (step->kind != HONE_STEP_STORE)
                        t = vec_load_first(FINISH_GATHER(at, step->column_stride, n, room), first);
                }
                switch (step->kind) {
                case HONE_STEP_NONE: break;
                case HONE_STEP_BIAS:
                case HONE_STEP_BIAS_ROWS:
                case HONE_STEP_RESIDUAL: x = x + t; break;
                case HONE_STEP_SCALE: x = x * t; break;
                case HONE_STEP_RELU: x = vec_relu(x); break;
                case HONE_STEP_GELU: x = vec_gelu(x); break;
                case HONE_STEP_GELU_ERF: x = vec_gelu_erf(x); break;
                case HONE_STEP_SILU: x = vec_silu(x); break;
                case HONE_STEP_STORE: FINISH_SCATTER(at, step->column_stride, n, first, x); break;
                case HONE_STEP_RELU_GRADIENT: x = x * vec_relu_slope(t); break;
                case HONE_STEP_GELU_GRADIENT: x = x * vec_gelu_slope(t); break;
                case HONE_STEP_GELU_ERF_GRADIENT: x = x * vec_gelu_erf_slope(t); break;
                case HONE_STEP_SILU_GRADIENT: x = x * vec_silu_slope(t); break;
                }
            }
            FINISH_SCATTER(c, job->c_n, n, first, x);
        }
}

#undef FINISH_NAME
#undef FINISH_GATHER
#undef FINISH_SCATTER
#undef FINISH_REAL
