/* Bytes per second, and whether each byte that went in came out. */
#include "load.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURNS = 4, STALL_MS = 5000 };

struct stream {
    int fd;
    _Atomic uint64_t moved;
};

static struct stream streams[MAX_STREAMS];
static atomic_int over;

struct mover {
    pthread_t thread;
    int epoll;
    int up, copy;
};

/* Much in a few system calls, then it is another stream's turn. */
static void move_some(struct stream *s, int up, int copy)
{
    for (int turn = 0; turn < TURNS; turn++) {
        ssize_t moved = up ? source_pour(s->fd, copy) : source_swallow(s->fd);
        if (moved < 0 && errno == EAGAIN)
            break;
        if (moved <= 0)
            fail("a stream ended early: %s", moved < 0 ? strerror(errno) : "FIN");
        s->moved += (uint64_t)moved;
    }
}

static void *move(void *argument)
{
    struct mover *m = argument;
    struct epoll_event events[MAX_STREAMS];

    source_open();
    while (!over) {
        int ready = epoll_wait(m->epoll, events, MAX_STREAMS, STALL_MS);
        if (ready <= 0)
            fail("nothing moved for %d ms", STALL_MS);
        for (int i = 0; i < ready; i++)
            move_some(&streams[events[i].data.u32], m->up, m->copy);
    }
    return NULL;
}

static uint64_t total(const struct options *o)
{
    uint64_t sum = 0;

    for (int i = 0; i < o->connections; i++)
        sum += streams[i].moved;
    return sum;
}

/* Upload: our FIN ends it and the backend's count comes back on the same connection, so half-close has to work. */
static int upload_complete(struct stream *s)
{
    uint64_t count;

    receive_all(s->fd, &count, sizeof count);
    return count == s->moved;
}

/* Download: our FIN stops the backend; what is under way comes, then its FIN; then it is asked for its count. */
static int download_complete(struct stream *s, int port, int slot)
{
    unsigned char query = (unsigned char)(QUERY | slot);
    uint64_t count;
    ssize_t got;

    while ((got = source_swallow(s->fd)) > 0)
        s->moved += (uint64_t)got;
    if (got < 0)
        fail("after half-close: %s", strerror(errno));
    int fd = dial(port);
    send_all(fd, &query, 1);
    receive_all(fd, &count, sizeof count);
    close(fd);
    return count == s->moved;
}

int bulk(const struct options *o)
{
    int movers_used = o->connections < MOVERS ? o->connections : MOVERS, complete = 1;
    struct mover movers[MOVERS];
    struct window window;
    uint64_t at_start, measured;

    if (o->connections > MAX_STREAMS)
        fail("at most %d streams", MAX_STREAMS);
    for (int i = 0; i < movers_used; i++)
        movers[i] = (struct mover){.epoll = epoll_create1(0), .up = o->up, .copy = o->copy};
    for (int i = 0; i < o->connections; i++) {
        unsigned char first = (unsigned char)((o->up ? SINK : SOURCE) | (o->copy ? COPY_BIT : 0) | i);
        streams[i].fd = dial(o->port);
        send_all(streams[i].fd, &first, 1);
        set_blocking(streams[i].fd, 0);
        watch(movers[i % movers_used].epoll, streams[i].fd, o->up ? EPOLLOUT : EPOLLIN, i);
    }

    window = window_new(o);
    for (int i = 0; i < movers_used; i++)
        pthread_create(&movers[i].thread, NULL, move, &movers[i]);
    window_wait(&window);
    at_start = total(o);
    window_wait(&window);
    measured = total(o) - at_start;
    over = 1;
    for (int i = 0; i < movers_used; i++)
        pthread_join(movers[i].thread, NULL);

    for (int i = 0; i < o->connections; i++) {
        set_blocking(streams[i].fd, 1);
        shutdown(streams[i].fd, SHUT_WR);
    }
    for (int i = 0; i < o->connections; i++)
        complete &= o->up ? upload_complete(&streams[i]) : download_complete(&streams[i], o->port, i);

    printf("{\"mb_per_s\":%.2f,\"bytes\":%llu", (double)measured / 1e6 / window.seconds, (unsigned long long)measured);
    printf(",\"complete\":%s", complete ? "true" : "false");
    window_print(&window);
    printf("}\n");
    return 0;
}
