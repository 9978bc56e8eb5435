/* Layers on maps in channels-last order, by one thread: batch-norm with an activation, 2x2 max-pooling, depthwise 3x3.

A map is rows of `channels` numbers. What belongs to a channel is repeated over some WIDE numbers, so that inner loops
are long however few channels there are. Sums are of the type `float` over a BLOCK of repetitions and `double` over those.
Everything from KERNELS on is compiled twice: for float32 and for bfloat16. Arguments are explained in `maps.py`. */

#ifndef KERNELS
#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define EACH(length) for (int j = 0; j < (length); j++)
#define APART(length) _Pragma("GCC ivdep") EACH(length) /* what is written is read at the same place alone */

enum { WIDE = 256, BLOCK = 32 };
enum { NONE, RELU, RELU6, CELU };

INLINE float float_of_bfloat16(uint16_t value) {
    uint32_t bits = (uint32_t)value << 16;
    float result;
    memcpy(&result, &bits, 4);
    return result;
}

INLINE uint16_t bfloat16_of_float(float value) { /* to the nearest, ties to even */
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return value == value ? (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) : 0x7fc0;
}

INLINE float exponential(float x) { /* of x <= 0: a power of 2 times a polynomial (Cody and Waite's reduction) */
    x = x < -87.0f ? -87.0f : x;
    float shifted = x * 1.44269504f + 12582912.0f; /* 1.5 * 2^23, so that the last bits are a whole number */
    float whole = shifted - 12582912.0f, rest = x - whole * 0.693359375f + whole * 2.12194440e-4f;
    float sum = 1.0f / 5040;
    sum = sum * rest + 1.0f / 720;
    sum = sum * rest + 1.0f / 120;
    sum = sum * rest + 1.0f / 24;
    sum = sum * rest + 1.0f / 6;
    sum = sum * rest + 0.5f;
    sum = sum * rest * rest + rest + 1.0f;
    uint32_t bits;
    memcpy(&bits, &shifted, 4);
    bits = (bits + 127) << 23;
    float scale;
    memcpy(&scale, &bits, 4);
    return sum * scale;
}

INLINE float activated(float z, int act, float alpha, float over) {
    if (act == RELU) return z < 0 ? 0 : z;
    if (act == RELU6) return z < 0 ? 0 : z > 6 ? 6 : z;
    if (act == CELU) return z > 0 ? z : alpha * (exponential(z * over) - 1);
    return z;
}

INLINE float slope(float y, int act, float over) { /* of the activation, from its output */
    if (act == RELU) return y > 0 ? 1 : 0;
    if (act == RELU6) return y > 0 && y < 6 ? 1 : 0;
    if (act == CELU) return y > 0 ? 1 : y * over + 1;
    return 1;
}

INLINE int repeated(int channels) { return channels < WIDE ? WIDE / channels * channels : channels; }

static void repeat(const float *from, float *to, int channels) {
    int wide = repeated(channels);
    EACH(wide) to[j] = from[j % channels];
}

static void fold(const double *from, double *to, int channels) {
    int wide = repeated(channels);
    EACH(channels) to[j] = 0;
    EACH(wide) to[j % channels] += from[j];
}

INLINE int shorter(int64_t left, int wide) { return left < wide ? (int)left : wide; }

/* Depthwise convolution, with padding 1, of maps (images, height, width, channels) by kernels (9, channels). */

INLINE void products(float *restrict out, const float *const *from, const float *const *by, int count, int channels) {
    const float *p[9], *k[9];
    for (int t = 0; t < count; t++) p[t] = from[t], k[t] = by[t];
    EACH(channels) {
        float sum = 0;
        for (int t = 0; t < count; t++) sum += p[t][j] * k[t][j];
        out[j] = sum;
    }
}

static void taps(float *restrict out, const float *const *from, const float *const *by, int count, int channels) {
    switch (count) { /* of the counts that maps of more than one row and column have, each is a loop of its own */
        case 9: products(out, from, by, 9, channels); break;
        case 6: products(out, from, by, 6, channels); break;
        case 4: products(out, from, by, 4, channels); break;
        case 2: products(out, from, by, 2, channels); break;
        case 1: products(out, from, by, 1, channels); break;
        default: products(out, from, by, count, channels);
    }
}

void depthwise(const float *x, const float *kernel, float *out, int64_t images, int height, int width, int channels,
               int stride) {
    int tall = (height - 1) / stride + 1, broad = (width - 1) / stride + 1;
    for (int64_t n = 0; n < images; n++, x += (int64_t)height * width * channels)
        for (int oy = 0; oy < tall; oy++)
            for (int ox = 0; ox < broad; ox++, out += channels) {
                const float *from[9], *by[9];
                int count = 0;
                for (int t = 0; t < 9; t++) {
                    int y = oy * stride + t / 3 - 1, c = ox * stride + t % 3 - 1;
                    if (y < 0 || y >= height || c < 0 || c >= width) continue;
                    from[count] = x + ((int64_t)y * width + c) * channels, by[count++] = kernel + t * channels;
                }
                taps(out, from, by, count, channels);
            }
}

void depthwise_maps(const float *g, const float *kernel, float *dx, int64_t images, int height, int width, int channels,
                    int stride) {
    int tall = (height - 1) / stride + 1, broad = (width - 1) / stride + 1;
    for (int64_t n = 0; n < images; n++, g += (int64_t)tall * broad * channels)
        for (int y = 0; y < height; y++)
            for (int c = 0; c < width; c++, dx += channels) {
                const float *from[9], *by[9];
                int count = 0;
                for (int t = 0; t < 9; t++) {
                    int oy = y + 1 - t / 3, ox = c + 1 - t % 3;
                    if (oy < 0 || ox < 0 || oy % stride || ox % stride) continue;
                    oy /= stride, ox /= stride;
                    if (oy >= tall || ox >= broad) continue;
                    from[count] = g + ((int64_t)oy * broad + ox) * channels, by[count++] = kernel + t * channels;
                }
                taps(dx, from, by, count, channels);
            }
}

INLINE void outer(float *restrict sums, const float *const *from, const int *which, const float *restrict g, int count,
                  int channels) {
    const float *p[9];
    float *s[9];
    for (int t = 0; t < count; t++) p[t] = from[t], s[t] = sums + which[t] * channels;
    APART(channels) for (int t = 0; t < count; t++) s[t][j] += p[t][j] * g[j];
}

void depthwise_kernels(const float *x, const float *g, float *restrict dk, int64_t images, int height, int width,
                       int channels, int stride) {
    int tall = (height - 1) / stride + 1, broad = (width - 1) / stride + 1, size = 9 * channels;
    int together = 1 + 256 / (tall * broad); /* images whose sums are float */
    float sums[size];
    double totals[size];
    EACH(size) totals[j] = 0;
    for (int64_t start = 0; start < images; start += together) {
        EACH(size) sums[j] = 0;
        for (int64_t n = start; n < start + together && n < images; n++)
            for (int oy = 0; oy < tall; oy++)
                for (int ox = 0; ox < broad; ox++, g += channels) {
                    const float *from[9];
                    int which[9], count = 0;
                    for (int t = 0; t < 9; t++) {
                        int y = oy * stride + t / 3 - 1, c = ox * stride + t % 3 - 1;
                        if (y < 0 || y >= height || c < 0 || c >= width) continue;
                        from[count] = x + ((n * height + y) * width + c) * channels, which[count++] = t;
                    }
                    switch (count) {
                        case 9: outer(sums, from, which, g, 9, channels); break;
                        case 6: outer(sums, from, which, g, 6, channels); break;
                        case 4: outer(sums, from, which, g, 4, channels); break;
                        case 1: outer(sums, from, which, g, 1, channels); break;
                        default: outer(sums, from, which, g, count, channels);
                    }
                }
        EACH(size) totals[j] += sums[j];
    }
    EACH(size) dk[j] = (float)totals[j];
}

#define KERNELS
#define TYPE float
#define WORD uint32_t
#define NAME(name) name##_float32
#define READ(value) (value)
#define WRITE(value) (value)
#include __FILE__
#undef TYPE
#undef WORD
#undef NAME
#undef READ
#undef WRITE
#define TYPE uint16_t
#define WORD uint16_t
#define NAME(name) name##_bfloat16
#define READ(value) float_of_bfloat16(value)
#define WRITE(value) bfloat16_of_float(value)
#include __FILE__

#else

static void NAME(moments)(const TYPE *restrict x, int64_t rows, int channels, double *mean, double *variance) {
    int wide = repeated(channels);
    int64_t total = rows * channels;
    float first[wide], a[wide], b[wide]; /* sums are of differences from the first row, so that variances don't cancel */
    double sums[wide], squares[wide], one[channels], two[channels];
    EACH(wide) first[j] = READ(x[j % channels]), sums[j] = squares[j] = 0;
    for (int64_t at = 0; at < total;) {
        EACH(wide) a[j] = b[j] = 0;
        for (int i = 0; i < BLOCK && at < total; i++, at += wide) {
            const TYPE *p = x + at;
            EACH(shorter(total - at, wide)) {
                float d = READ(p[j]) - first[j];
                a[j] += d, b[j] += d * d;
            }
        }
        EACH(wide) sums[j] += a[j], squares[j] += b[j];
    }
    fold(sums, one, channels);
    fold(squares, two, channels);
    EACH(channels) {
        double shift = one[j] / rows;
        mean[j] = first[j] + shift, variance[j] = two[j] / rows - shift * shift;
    }
}

INLINE void NAME(apply)(const TYPE *restrict x, const TYPE *restrict added, TYPE *restrict out, int64_t total, int wide,
                        const float *scale, const float *shift, int act, float alpha) {
    float over = act == CELU ? 1 / alpha : 0;
    for (int64_t at = 0; at < total; at += wide) {
        int length = shorter(total - at, wide);
        const TYPE *p = x + at, *q = added + at;
        TYPE *o = out + at;
        if (added) EACH(length) o[j] = WRITE(activated(READ(p[j]) * scale[j] + shift[j] + READ(q[j]), act, alpha, over));
        else EACH(length) o[j] = WRITE(activated(READ(p[j]) * scale[j] + shift[j], act, alpha, over));
    }
}

void NAME(normalise)(const TYPE *x, const TYPE *added, TYPE *out, int64_t rows, int channels, const float *gain,
                     const float *offset, float *running_mean, float *running_variance, float *mean, float *inverse,
                     double eps, double momentum, int act, float alpha) {
    int wide = repeated(channels);
    double means[channels], variances[channels];
    float scales[channels], shifts[channels], scale[wide], shift[wide];
    if (momentum >= 0) {
        NAME(moments)(x, rows, channels, means, variances);
        EACH(channels) {
            double unbiased = variances[j] * rows / (rows - 1);
            running_mean[j] += (float)(momentum * (means[j] - running_mean[j]));
            running_variance[j] += (float)(momentum * (unbiased - running_variance[j]));
        }
    } else EACH(channels) means[j] = running_mean[j], variances[j] = running_variance[j];
    EACH(channels) {
        double shrink = 1 / sqrt(variances[j] + eps);
        mean[j] = (float)means[j], inverse[j] = (float)shrink;
        scales[j] = (float)(shrink * gain[j]), shifts[j] = (float)(offset[j] - means[j] * shrink * gain[j]);
    }
    repeat(scales, scale, channels);
    repeat(shifts, shift, channels);
    if (act == RELU) NAME(apply)(x, added, out, rows * channels, wide, scale, shift, RELU, alpha);
    else if (act == RELU6) NAME(apply)(x, added, out, rows * channels, wide, scale, shift, RELU6, alpha);
    else if (act == CELU) NAME(apply)(x, added, out, rows * channels, wide, scale, shift, CELU, alpha);
    else NAME(apply)(x, added, out, rows * channels, wide, scale, shift, NONE, alpha);
}

INLINE void NAME(totals)(const TYPE *restrict g, const TYPE *restrict y, const TYPE *restrict x, int64_t total,
                         int channels, const float *mean, double *for_offset, double *for_gain, int act, float alpha) {
    int wide = repeated(channels);
    float over = act == CELU ? 1 / alpha : 0, a[wide], b[wide];
    double one[wide], two[wide];
    EACH(wide) one[j] = two[j] = 0;
    for (int64_t at = 0; at < total;) {
        EACH(wide) a[j] = b[j] = 0;
        for (int i = 0; i < BLOCK && at < total; i++, at += wide) {
            const TYPE *p = x + at, *o = y + at, *d = g + at;
            EACH(shorter(total - at, wide)) {
                float v = act == NONE ? READ(d[j]) : READ(d[j]) * slope(READ(o[j]), act, over);
                a[j] += v, b[j] += v * (READ(p[j]) - mean[j]);
            }
        }
        EACH(wide) one[j] += a[j], two[j] += b[j];
    }
    fold(one, for_offset, channels);
    fold(two, for_gain, channels);
}

INLINE void NAME(pull)(const TYPE *restrict g, const TYPE *restrict y, const TYPE *restrict x, TYPE *restrict dx,
                       TYPE *restrict dadded, int64_t total, int wide, const float *k, const float *l, const float *m,
                       int act, float alpha) {
    float over = act == CELU ? 1 / alpha : 0;
    for (int64_t at = 0; at < total; at += wide) {
        int length = shorter(total - at, wide);
        const TYPE *p = x + at, *o = y + at, *d = g + at;
        TYPE *e = dx + at, *f = dadded + at;
        if (dadded) EACH(length) {
            float v = act == NONE ? READ(d[j]) : READ(d[j]) * slope(READ(o[j]), act, over);
            f[j] = WRITE(v), e[j] = WRITE(k[j] * v + l[j] * READ(p[j]) + m[j]);
        }
        else EACH(length) {
            float v = act == NONE ? READ(d[j]) : READ(d[j]) * slope(READ(o[j]), act, over);
            e[j] = WRITE(k[j] * v + l[j] * READ(p[j]) + m[j]);
        }
    }
}

INLINE void NAME(back)(const TYPE *g, const TYPE *y, const TYPE *x, TYPE *dx, TYPE *dadded, int64_t rows, int channels,
                       const float *gain, const float *mean, const float *inverse, float *for_offset, float *for_gain,
                       int act, float alpha) {
    int wide = repeated(channels);
    float k[channels], l[channels], m[channels], one[wide], two[wide], three[wide];
    double sums[channels], products[channels];
    repeat(mean, one, channels);
    NAME(totals)(g, y, x, rows * channels, channels, one, sums, products, act, alpha);
    EACH(channels) {
        double weight = (double)gain[j] * inverse[j], change = -weight * inverse[j] * inverse[j] * products[j] / rows;
        for_offset[j] = (float)sums[j], for_gain[j] = (float)(products[j] * inverse[j]);
        k[j] = (float)weight, l[j] = (float)change, m[j] = (float)(-weight * sums[j] / rows - change * mean[j]);
    }
    repeat(k, one, channels);
    repeat(l, two, channels);
    repeat(m, three, channels);
    NAME(pull)(g, y, x, dx, dadded, rows * channels, wide, one, two, three, act, alpha);
}

void NAME(normalise_back)(const TYPE *g, const TYPE *y, const TYPE *x, TYPE *dx, TYPE *dadded, int64_t rows, int channels,
                          const float *gain, const float *mean, const float *inverse, float *for_offset,
                          float *for_gain, int act, float alpha) {
#define BACK(act) NAME(back)(g, y, x, dx, dadded, rows, channels, gain, mean, inverse, for_offset, for_gain, act, alpha)
    if (act == RELU) BACK(RELU);
    else if (act == RELU6) BACK(RELU6);
    else if (act == CELU) BACK(CELU);
    else BACK(NONE);
#undef BACK
}

INLINE void NAME(best)(const TYPE *restrict p, const TYPE *restrict q, const TYPE *restrict r, const TYPE *restrict s,
                       TYPE *restrict out, int32_t *restrict which, int length) {
    EACH(length) { /* the first of equal ones, or one that isn't a number */
        float a = READ(p[j]), b = READ(q[j]), c = READ(r[j]), d = READ(s[j]);
        int over = (b > a) | (b != b), found = over;
        a = over ? b : a;
        over = (c > a) | (c != c), found = over ? 2 : found, a = over ? c : a;
        over = (d > a) | (d != d), found = over ? 3 : found;
        out[j] = WRITE(over ? d : a), which[j] = found;
    }
}

INLINE void NAME(place)(const WORD *restrict g, const int32_t *restrict which, WORD *restrict p, WORD *restrict q,
                        WORD *restrict r, WORD *restrict s, int length) {
    EACH(length) {
        uint32_t v = g[j], k = (uint32_t)which[j];
        p[j] = (WORD)(v & -(uint32_t)(k == 0)), q[j] = (WORD)(v & -(uint32_t)(k == 1));
        r[j] = (WORD)(v & -(uint32_t)(k == 2)), s[j] = (WORD)(v & -(uint32_t)(k == 3));
    }
}

/* Channels are done in pieces of fixed length, as short loops of a length that compilers don't know are slow. */
#define PIECES(DO) \
    do { \
        int at = 0; \
        for (; at + 16 <= channels; at += 16) DO(16); \
        for (; at + 8 <= channels; at += 8) DO(8); \
        DO(channels - at); \
    } while (0)
#define BEST(length) NAME(best)(p + at, q + at, r + at, s + at, out + at, which + at, length)
#define PLACE(length) NAME(place)(g + at, which + at, p + at, q + at, r + at, s + at, length)

void NAME(pool)(const TYPE *x, TYPE *out, int32_t *which, int64_t images, int height, int width, int channels) {
    int64_t line = (int64_t)width * channels;
    for (int64_t n = 0; n < images * (height / 2); n++, x += 2 * line)
        for (int w = 0; w < width / 2; w++, out += channels, which += channels) {
            const TYPE *p = x + 2 * w * channels, *q = p + channels, *r = p + line, *s = q + line;
            PIECES(BEST);
        }
}

void NAME(pool_back)(const WORD *g, const int32_t *which, WORD *dx, int64_t images, int height, int width, int channels) {
    int64_t line = (int64_t)width * channels;
    for (int64_t n = 0; n < images * (height / 2); n++, dx += 2 * line)
        for (int w = 0; w < width / 2; w++, g += channels, which += channels) {
            WORD *p = dx + 2 * w * channels, *q = p + channels, *r = p + line, *s = q + line;
            PIECES(PLACE);
        }
}
#undef PIECES
#undef BEST
#undef PLACE

#endif
