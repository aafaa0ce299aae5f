/* Memory of a relay for each flow that is open and silent. Kernel memory for the sockets is not in it. */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SETTLE_US = 500000, PROBES = 100 };

static void exchange(int fd)
{
    static const char request[MESSAGE] = {ECHO};
    char answer[MESSAGE];

    send_all(fd, request, MESSAGE);
    receive_all(fd, answer, MESSAGE);
}

int idle(const struct options *o)
{
    int count = o->connections, *fds = calloc((size_t)count, sizeof *fds);
    int first = dial(o->port);

    exchange(first); /* what the relay loads for its first flow is not a price of each flow */
    close(first);
    usleep(SETTLE_US);
    double before = resident_kb(o->relay_pid);
    for (int i = 0; i < count; i++) {
        fds[i] = dial(o->port);
        exchange(fds[i]);
    }
    usleep(SETTLE_US);
    double after = resident_kb(o->relay_pid);
    for (int i = 0; i < count; i += 1 + count / PROBES)
        exchange(fds[i]); /* they were all alive */
    printf("{\"flows\":%d,\"base_kb\":%.0f,\"kb_per_flow\":%.3f}\n", count, before, (after - before) / count);
    return 0;
}
