/* Round trips at a fixed rate on many connections: a request is due when it is due, whatever became of others. */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 64, STALL_NS = 2000000000, MOST_NS = 10000000 };

struct beat {
    int fd;
    int missing; /* bytes of the answer that is waited for; 0: none is */
    uint64_t due; /* when its request is, or was, to be sent */
};

static void hear(struct beat *b, uint64_t interval, struct window *window, struct samples *times)
{
    char answer[MESSAGE];
    ssize_t got = recv(b->fd, answer, (size_t)b->missing, 0);

    if (got <= 0)
        fail("receive: %s", got < 0 ? strerror(errno) : "the connection ended");
    b->missing -= (int)got;
    if (b->missing)
        return;
    if (window->phase == MEASURING)
        samples_add(times, now_ns() - b->due);
    b->due += interval;
}

/* The connections are due one after the other, over and over, so the next one is always known. A connection
 * whose answer is late asks again as soon as that has come, and its time counts from when it was due. */
int paced(const struct options *o)
{
    static const char request[MESSAGE] = {ECHO};
    struct beat *beats = calloc((size_t)o->connections, sizeof *beats);
    struct epoll_event events[BATCH];
    struct samples times = {0};
    int epoll = epoll_create1(0);
    uint64_t interval = (uint64_t)(1e9 / o->expect);

    for (int i = 0; i < o->connections; i++) {
        beats[i].fd = dial(o->port);
        set_blocking(beats[i].fd, 0);
        watch(epoll, beats[i].fd, EPOLLIN, i);
    }
    uint64_t start = now_ns();
    for (int i = 0; i < o->connections; i++)
        beats[i].due = start + interval * (uint64_t)i / (uint64_t)o->connections;
    struct window window = window_new(o);
    int next = 0;
    while (window_look(&window, now_ns()) != OVER) {
        uint64_t now = now_ns();
        int late = 0;
        for (; late < o->connections && beats[next].due <= now; next = (next + 1) % o->connections) {
            late++;
            if (!beats[next].missing) {
                beats[next].missing = MESSAGE;
                send_all(beats[next].fd, request, MESSAGE);
            } else if (now - beats[next].due > STALL_NS) {
                fail("no answer for %d s", (int)(STALL_NS / 1000000000));
            }
        }
        uint64_t wait = beats[next].due > now ? beats[next].due - now : 0;
        struct timespec until = {.tv_nsec = late ? 0 : (long)(wait < MOST_NS ? wait : MOST_NS)};
        int ready = epoll_pwait2(epoll, events, BATCH, &until, NULL);
        for (int i = 0; i < ready; i++)
            hear(&beats[events[i].data.u32], interval, &window, &times);
    }
    printf("{\"per_s\":%.1f", (double)times.count / window.seconds);
    samples_print(&times);
    window_print(&window);
    printf("}\n");
    return 0;
}
