/* Connections per second: connect, one request, its answer, close. */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STALL_MS = 5000, BATCH = 64 };

static const char request[MESSAGE] = {ECHO};

static void sequential(const struct options *o, struct window *window, struct samples *times)
{
    char answer[MESSAGE];

    while (window_look(window, now_ns()) != OVER) {
        uint64_t start = now_ns();
        int fd = dial(o->port);
        send_all(fd, request, MESSAGE);
        receive_all(fd, answer, MESSAGE);
        close(fd);
        if (window->phase == MEASURING)
            samples_add(times, now_ns() - start);
    }
}

struct visit {
    int fd;
    int missing; /* bytes of the answer; 0: the request has not been sent */
    uint64_t start;
};

static void begin(struct visit *v, int epoll, int index, int port)
{
    v->start = now_ns();
    v->missing = 0;
    v->fd = dial_start(port);
    watch(epoll, v->fd, EPOLLOUT, index);
}

static void ask(struct visit *v, int epoll, int index)
{
    ssize_t sent = send(v->fd, request, MESSAGE, 0);

    if (sent != MESSAGE)
        fail("connect: %s", strerror(errno)); /* a refused connect shows here */
    v->missing = MESSAGE;
    epoll_ctl(epoll, EPOLL_CTL_MOD, v->fd, &(struct epoll_event){.events = EPOLLIN, .data.u32 = (uint32_t)index});
}

/* Returns whether the answer is complete. */
static int listen_to(struct visit *v)
{
    char answer[MESSAGE];
    ssize_t got = recv(v->fd, answer, (size_t)v->missing, 0);

    if (got <= 0)
        fail("receive: %s", got < 0 ? strerror(errno) : "the connection ended");
    v->missing -= (int)got;
    return v->missing == 0;
}

static void concurrent(const struct options *o, struct window *window, struct samples *times)
{
    struct visit *visits = calloc((size_t)o->connections, sizeof *visits);
    struct epoll_event events[BATCH];
    int epoll = epoll_create1(0);

    for (int i = 0; i < o->connections; i++)
        begin(&visits[i], epoll, i, o->port);
    while (window_look(window, now_ns()) != OVER) {
        int ready = epoll_wait(epoll, events, BATCH, STALL_MS);
        if (ready <= 0)
            fail("no connection and no answer for %d ms", STALL_MS);
        for (int i = 0; i < ready; i++) {
            int index = (int)events[i].data.u32;
            struct visit *v = &visits[index];
            if (!v->missing) {
                ask(v, epoll, index);
            } else if (listen_to(v)) {
                close(v->fd);
                if (window->phase == MEASURING)
                    samples_add(times, now_ns() - v->start);
                begin(v, epoll, index, o->port);
            }
        }
    }
}

int connect_rate(const struct options *o)
{
    struct samples times = {0};
    struct window window = window_new(o);

    (o->connections == 1 ? sequential : concurrent)(o, &window, &times);
    printf("{\"per_s\":%.1f", (double)times.count / window.seconds);
    samples_print(&times);
    window_print(&window);
    printf("}\n");
    return 0;
}
