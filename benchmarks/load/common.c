/* Sockets and time. Everything is on the loopback of a private network namespace. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 10 }; /* a relay that lets a blocking call wait so long has failed */

void fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    printf("{\"error\":\"");
    vprintf(format, args);
    printf("\"}\n");
    va_end(args);
    exit(1);
}

uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

void set_nodelay(int fd)
{
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
}

void set_blocking(int fd, int blocking)
{
    int flags = fcntl(fd, F_GETFL);

    fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

int dial(int port)
{
    struct sockaddr_in address = loopback(port);
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0)
        fail("socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("connect: %s", strerror(errno));
    set_nodelay(fd);
    return fd;
}

int dial_start(int port)
{
    struct sockaddr_in address = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (fd < 0)
        fail("socket: %s", strerror(errno));
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS)
        fail("connect: %s", strerror(errno));
    return fd;
}

void send_all(int fd, const void *data, size_t size)
{
    if (send(fd, data, size, 0) != (ssize_t)size) /* a blocking socket sends all or fails */
        fail("send: %s", strerror(errno));
}

void receive_all(int fd, void *data, size_t size)
{
    ssize_t got = recv(fd, data, size, MSG_WAITALL);

    if (got != (ssize_t)size)
        fail("receive: %s", got < 0 ? strerror(errno) : "the connection ended");
}

void watch(int epoll, int fd, uint32_t events, int index)
{
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = events, .data.u32 = (uint32_t)index}) < 0)
        fail("epoll_ctl: %s", strerror(errno));
}
