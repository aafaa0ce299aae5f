/* One time for each request; mean, standard deviation and percentiles of them. */
#include "load.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void samples_add(struct samples *s, uint64_t ns)
{
    if (s->count == s->room) {
        s->room = s->room ? 2 * s->room : 1 << 16;
        s->ns = realloc(s->ns, s->room * sizeof *s->ns);
        if (!s->ns)
            fail("out of memory");
    }
    s->ns[s->count++] = ns;
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static double percentile_us(const struct samples *s, double share)
{
    return (double)s->ns[(size_t)(share * (double)(s->count - 1) + 0.5)] / 1e3;
}

void samples_print(struct samples *s)
{
    double mean = 0, squares = 0;

    if (!s->count)
        fail("no request was answered in the measured time");
    qsort(s->ns, s->count, sizeof *s->ns, ascending);
    for (size_t i = 0; i < s->count; i++)
        mean += (double)s->ns[i] / 1e3 / (double)s->count;
    for (size_t i = 0; i < s->count; i++)
        squares += ((double)s->ns[i] / 1e3 - mean) * ((double)s->ns[i] / 1e3 - mean);
    printf(",\"count\":%zu,\"mean_us\":%.2f,\"sd_us\":%.2f", s->count, mean, sqrt(squares / (double)s->count));
    printf(",\"p50_us\":%.2f,\"p99_us\":%.2f,\"max_us\":%.2f", percentile_us(s, 0.5), percentile_us(s, 0.99),
           percentile_us(s, 1));
}
