/* Bulk data that costs the sender next to nothing, so that the relay is what is measured.
 *
 * A pipe, the stock, is filled once; tee(2) duplicates its contents into a second pipe, the cup, by
 * reference, and splice(2) moves the cup into a socket: no byte is copied. The stock is filled
 * through a Unix socket, because the kernel gives that pieces of up to 32 KiB, where sendfile(2) has
 * to handle each page of 4 KiB; that alone doubles what one processor can send.
 */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STOCK = 1 << 20, PIECE = 1 << 15, COPIED = 1 << 18 };

static _Thread_local int stock[2], cup[2];
static _Thread_local char memory[COPIED]; /* for a sender that copies, as programs do */
static _Thread_local size_t in_cup; /* what one stream did not take goes to the next: they all send the same text */

/* Text without structure, so that a relay which searches it can neither skip all of it nor stumble at each byte. */
static void write_text(char *text, size_t size)
{
    static _Thread_local uint32_t state = 2463534242;

    for (size_t i = 0; i < size; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        text[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 \n"[state >> 26];
    }
}

static void open_pipe(int pipe[2])
{
    if (pipe2(pipe, O_NONBLOCK) < 0 || fcntl(pipe[0], F_SETPIPE_SZ, STOCK) < 0)
        fail("pipe of %d bytes: %s", STOCK, strerror(errno));
}

void source_open(void)
{
    int pair[2];
    char text[PIECE];

    write_text(memory, COPIED);
    open_pipe(stock);
    open_pipe(cup);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        fail("socketpair: %s", strerror(errno));
    for (int filled = 0; filled < STOCK; filled += PIECE) {
        write_text(text, PIECE);
        send_all(pair[0], text, PIECE);
        for (ssize_t moved, rest = PIECE; rest; rest -= moved)
            if ((moved = splice(pair[1], NULL, stock[1], NULL, (size_t)rest, 0)) <= 0)
                fail("splice: %s", strerror(errno));
    }
    close(pair[0]);
    close(pair[1]);
}

ssize_t source_pour(int fd, int copy)
{
    ssize_t sent;

    if (copy)
        return send(fd, memory, COPIED, MSG_DONTWAIT);
    if (!in_cup) {
        ssize_t copied = tee(stock[0], cup[1], STOCK, SPLICE_F_NONBLOCK);
        if (copied <= 0)
            fail("tee: %s", strerror(errno));
        in_cup = (size_t)copied;
    }
    sent = splice(cup[0], NULL, fd, NULL, in_cup, SPLICE_F_NONBLOCK);
    if (sent > 0)
        in_cup -= (size_t)sent;
    return sent;
}

ssize_t source_swallow(int fd)
{
    return recv(fd, NULL, 4 * STOCK, MSG_TRUNC);
}
