/* How even a stream is that somebody slows down, and how fairly several share. */
#include "load.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_WINDOWS = 1000, STALL_MS = 5000 };
static const uint64_t WINDOW_NS = 100 * 1000 * 1000;

static double share_of_sd(const uint64_t *bytes, int count, double mean)
{
    double sum = 0;

    for (int i = 0; i < count; i++)
        sum += ((double)bytes[i] - mean) * ((double)bytes[i] - mean);
    return sqrt(sum / count) / mean;
}

int rate(const struct options *o)
{
    static uint64_t windows[MOST_WINDOWS], flows[MAX_STREAMS];
    struct epoll_event events[MAX_STREAMS];
    int fds[MAX_STREAMS], epoll = epoll_create1(0);
    int count = o->samples;
    uint64_t total = 0, least = UINT64_MAX, most = 0;

    if (o->connections > MAX_STREAMS || count > MOST_WINDOWS)
        fail("at most %d connections and %d windows", MAX_STREAMS, MOST_WINDOWS);
    for (int i = 0; i < o->connections; i++) {
        unsigned char first = (unsigned char)(SOURCE | COPY_BIT | i);
        fds[i] = dial(o->port);
        send_all(fds[i], &first, 1);
        set_blocking(fds[i], 0);
        watch(epoll, fds[i], EPOLLIN, i);
    }
    uint64_t start = now_ns() + (uint64_t)(o->warmup * 1e9);
    for (;;) {
        int ready = epoll_wait(epoll, events, MAX_STREAMS, STALL_MS);
        uint64_t now = now_ns();
        if (ready <= 0)
            fail("nothing came for %d ms", STALL_MS);
        if (now >= start + (uint64_t)count * WINDOW_NS)
            break;
        for (int i = 0; i < ready; i++) {
            ssize_t got = source_swallow(fds[events[i].data.u32]);
            if (got < 0 && errno == EAGAIN)
                continue;
            if (got <= 0)
                fail("a stream ended early: %s", got < 0 ? strerror(errno) : "FIN");
            if (now < start)
                continue;
            windows[(now - start) / WINDOW_NS] += (uint64_t)got;
            flows[events[i].data.u32] += (uint64_t)got;
            total += (uint64_t)got;
        }
    }
    for (int i = 0; i < o->connections; i++) {
        least = flows[i] < least ? flows[i] : least;
        most = flows[i] > most ? flows[i] : most;
        close(fds[i]);
    }
    double per_s = (double)total / 1e6 / ((double)count * (double)WINDOW_NS / 1e9);
    printf("{\"mb_per_s\":%.4f,\"off\":%.5f,\"windows\":%d,\"windows_sd\":%.5f,\"most_to_least\":%.4f}\n", per_s,
           fabs(per_s / o->expect - 1), count, share_of_sd(windows, count, (double)total / count),
           least ? (double)most / (double)least : 1e9);
    return 0;
}
