/* The server behind all relays: level-triggered epoll, one thread for everything, and a second one for
 * every other bulk stream. Bulk data costs it as little as possible, see source.c. */
#include "load.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURNS = 4 }; /* system calls for one connection before the others get their turn */

struct connection {
    int fd;
    int epoll;
    int known; /* the first byte has come */
    int kind, slot, copy;
    uint64_t count;
};

static int listener, epolls[MOVERS];
static _Atomic uint64_t counts[MAX_STREAMS];

static void end(struct connection *c)
{
    if (c->known && c->kind == SOURCE)
        counts[c->slot] = c->count;
    close(c->fd);
    free(c);
}

static void want(struct connection *c, int operation, uint32_t events)
{
    if (epoll_ctl(c->epoll, operation, c->fd, &(struct epoll_event){.events = events, .data.ptr = c}) < 0)
        fail("epoll_ctl: %s", strerror(errno));
}

/* Requests and answers are short and one at a time: an answer that does not fit into the socket is a failure. */
static int answer(struct connection *c, const void *data, size_t size)
{
    return send(c->fd, data, size, 0) == (ssize_t)size;
}

/* From here on the connection may belong to the other thread. */
static void hand_over(struct connection *c)
{
    epoll_ctl(c->epoll, EPOLL_CTL_DEL, c->fd, NULL);
    c->epoll = epolls[c->slot % MOVERS];
    want(c, EPOLL_CTL_ADD, c->kind == SOURCE ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* Each returns whether the connection goes on. */

static int received(struct connection *c, const unsigned char *data, size_t size)
{
    if (!c->known) {
        c->known = 1;
        c->kind = data[0] & KIND_BITS;
        c->slot = data[0] & SLOT_BITS;
        c->copy = data[0] & COPY_BIT;
        if (c->kind == QUERY) {
            uint64_t count = counts[c->slot];
            return answer(c, &count, sizeof count);
        }
        c->count = size - 1;
        if (c->kind == SOURCE || c->kind == SINK)
            hand_over(c);
    }
    return c->kind != ECHO || answer(c, data, size);
}

static int readable(struct connection *c)
{
    static unsigned char buffer[1 << 16];

    for (int turn = 0; turn < TURNS; turn++) {
        int drain = c->known && c->kind == SINK;
        ssize_t got = drain ? source_swallow(c->fd) : recv(c->fd, buffer, sizeof buffer, 0);
        if (got < 0)
            return errno == EAGAIN;
        if (got == 0) {
            if (drain)
                answer(c, &c->count, sizeof c->count);
            return 0;
        }
        if (drain) {
            c->count += (uint64_t)got;
            continue;
        }
        return received(c, buffer, (size_t)got); /* there is no more: one request at a time */
    }
    return 1;
}

static int writable(struct connection *c)
{
    for (int turn = 0; turn < TURNS; turn++) {
        ssize_t sent = source_pour(c->fd, c->copy);
        if (sent < 0)
            return errno == EAGAIN;
        c->count += (uint64_t)sent;
    }
    return 1;
}

static void accept_all(void)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        if (!c)
            fail("out of memory");
        c->fd = fd;
        c->epoll = epolls[0];
        set_nodelay(fd);
        want(c, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void *loop(void *argument)
{
    int epoll = *(int *)argument;
    struct epoll_event events[256];

    source_open();
    for (;;) {
        int ready = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            int go_on = 1;
            if (!c) {
                accept_all();
                continue;
            }
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                go_on = readable(c);
            else if (events[i].events & EPOLLOUT)
                go_on = writable(c);
            if (!go_on)
                end(c);
        }
    }
    return NULL;
}

int serve(const struct options *o)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)o->port)}; /* every 127.x.x.x */
    socklen_t size = sizeof address;
    pthread_t thread;

    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 4096) < 0)
        fail("listen: %s", strerror(errno));
    getsockname(listener, (struct sockaddr *)&address, &size);
    for (int i = 0; i < MOVERS; i++)
        epolls[i] = epoll_create1(0);
    epoll_ctl(epolls[0], EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN, .data.ptr = NULL});
    for (int i = 1; i < MOVERS; i++)
        pthread_create(&thread, NULL, loop, &epolls[i]);
    printf("{\"port\":%d}\n", ntohs(address.sin_port));
    fflush(stdout);
    loop(&epolls[0]);
    return 0;
}
