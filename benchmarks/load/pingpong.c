/* Short requests, each sent when the answer to the one before has come. */
#include "load.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STALL_MS = 5000, PAUSE_US = 5000, BATCH = 64, PIECE = 1 << 16 };

static const char request[MESSAGE] = {ECHO};

static uint64_t round_trip(int fd)
{
    char answer[MESSAGE];
    uint64_t start = now_ns();

    send_all(fd, request, MESSAGE);
    receive_all(fd, answer, MESSAGE);
    return now_ns() - start;
}

/* One connection blocks in recv: nothing but the round trip is in the time. */
static void one(const struct options *o, struct window *window, struct samples *times)
{
    int fd = dial(o->port);

    while (window_look(window, now_ns()) != OVER) {
        uint64_t time = round_trip(fd);
        if (window->phase == MEASURING)
            samples_add(times, time);
    }
}

struct talk {
    int fd;
    int missing; /* bytes of the answer */
    uint64_t start;
};

static void ask(struct talk *t)
{
    t->missing = MESSAGE;
    t->start = now_ns();
    send_all(t->fd, request, MESSAGE);
}

static void many(const struct options *o, struct window *window, struct samples *times)
{
    struct talk *talks = calloc((size_t)o->connections, sizeof *talks);
    struct epoll_event events[BATCH];
    int epoll = epoll_create1(0);

    for (int i = 0; i < o->connections; i++) {
        talks[i].fd = dial(o->port);
        set_blocking(talks[i].fd, 0);
        watch(epoll, talks[i].fd, EPOLLIN, i);
        ask(&talks[i]);
    }
    while (window_look(window, now_ns()) != OVER) {
        int ready = epoll_wait(epoll, events, BATCH, STALL_MS);
        if (ready <= 0)
            fail("no answer for %d ms", STALL_MS);
        for (int i = 0; i < ready; i++) {
            struct talk *t = &talks[events[i].data.u32];
            char answer[MESSAGE];
            ssize_t got = recv(t->fd, answer, (size_t)t->missing, 0);
            if (got <= 0)
                fail("receive: %s", got < 0 ? strerror(errno) : "the connection ended");
            t->missing -= (int)got;
            if (t->missing)
                continue;
            if (window->phase == MEASURING)
                samples_add(times, now_ns() - t->start);
            ask(t);
        }
    }
}

int pingpong(const struct options *o)
{
    struct samples times = {0};
    struct window window = window_new(o);

    (o->connections == 1 ? one : many)(o, &window, &times);
    printf("{\"per_s\":%.1f", (double)times.count / window.seconds);
    samples_print(&times);
    window_print(&window);
    printf("}\n");
    return 0;
}

/* Other traffic of the same relay: an upload of so many bytes per second. */
static void *pour_beside(void *argument)
{
    const struct options *o = argument;
    static char data[PIECE];
    unsigned char first = SINK | COPY_BIT;
    int fd = dial(o->port);
    uint64_t start = now_ns(), sent = 0;

    send_all(fd, &first, 1);
    for (;;) {
        while ((double)sent < o->beside * 1e6 * (double)(now_ns() - start) / 1e9) {
            send_all(fd, data, PIECE);
            sent += PIECE;
        }
        usleep(PAUSE_US / 10);
    }
    return NULL;
}

int latency(const struct options *o)
{
    struct samples times = {0};
    int fd = dial(o->port);
    pthread_t thread;

    if (o->beside > 0)
        pthread_create(&thread, NULL, pour_beside, (void *)o);
    round_trip(fd); /* connection set-up is not in the times */
    for (int i = 0; i < o->samples; i++) {
        usleep(PAUSE_US);
        samples_add(&times, round_trip(fd));
    }
    printf("{\"samples\":%d", o->samples);
    samples_print(&times);
    printf("}\n");
    return 0;
}
