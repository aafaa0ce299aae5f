/* What the files of `load` share: see main.c for what the program does. */
#ifndef LOAD_H
#define LOAD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The first byte of a connection tells the backend what the connection is for: a kind, and for
 * bulk data whether a sender copies it, as programs do, and a slot in the low bits. One byte, so that no relay can split it. */
enum kind {
    ECHO = 0x00,   /* send everything back, this byte too */
    SINK = 0x40,   /* throw away until FIN, then answer how many bytes came (8 bytes) and close */
    SOURCE = 0x80, /* send until FIN comes, close, and keep how many bytes went as the slot's count */
    QUERY = 0xC0,  /* answer the slot's count (8 bytes) */
};
enum { KIND_BITS = 0xC0, COPY_BIT = 0x20, SLOT_BITS = 0x1F, MAX_STREAMS = 32 };

enum { MOVERS = 2 };   /* threads that move bulk data, on both ends: odd slots are the second one's. One thread
                          alone would not outrun a relay with two threads by enough. */
enum { MESSAGE = 64 }; /* bytes of a request and of its answer */

struct options {
    int port;
    int connections;
    int samples;
    int up, copy;
    double warmup, seconds;
    double expect, beside; /* MB/s; of `paced`, requests/s */
    int relay_pid, backend_pid;
};

int serve(const struct options *o);
int bulk(const struct options *o);
int pingpong(const struct options *o);
int rate(const struct options *o);
int paced(const struct options *o);
int latency(const struct options *o);
int connect_rate(const struct options *o);
int idle(const struct options *o);

/* ---- common.c: sockets, time */

_Noreturn void fail(const char *format, ...); /* one JSON line with "error", exit status 1 */
uint64_t now_ns(void);
int dial(int port);                         /* connected, blocking, with a limit on every wait */
int dial_start(int port);                   /* non-blocking, connecting */
void set_blocking(int fd, int blocking);
void set_nodelay(int fd);
void send_all(int fd, const void *data, size_t size);
void receive_all(int fd, void *data, size_t size);
void watch(int epoll, int fd, uint32_t events, int index);

/* ---- source.c: bulk data; both return as send and recv do */

void source_open(void);         /* once in each thread */
ssize_t source_pour(int fd, int copy);    /* send as much as the socket takes, up to 1 MiB */
ssize_t source_swallow(int fd);           /* receive as much as there is, up to 4 MiB, and throw it away */

/* ---- samples.c: one time for each request */

struct samples {
    uint64_t *ns;
    size_t count, room;
};
void samples_add(struct samples *s, uint64_t ns);
void samples_print(struct samples *s);      /* ,"mean_us":… and so on */

/* ---- meter.c: who used the processors, and when to look */

enum phase { WARMING, MEASURING, OVER };
struct usage {
    double relay, backend, client, machine;
};
struct window {
    const struct options *options;
    enum phase phase;
    uint64_t opened, due;
    struct usage before, after;
    double seconds;
};
struct window window_new(const struct options *o);
enum phase window_look(struct window *w, uint64_t now); /* call it often; it changes the phase when it is time to */
void window_wait(struct window *w);                       /* sleep until then */
void window_print(const struct window *w);
double resident_kb(int pid);

#endif
