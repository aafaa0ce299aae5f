/* load - the traffic generator of the benchmarks: a backend server, and clients that measure.
 *
 *   load serve                                      prints {"port":…}, serves until it is killed
 *   load bulk     --port P --connections N [--up] [--copy]   bytes per second, all bytes accounted for
 *   load pingpong --port P --connections N          64-byte round trips
 *   load connect  --port P --connections N          connect, one request, its answer, close
 *   load idle     --port P --connections N          memory of the relay for each open flow
 *   load latency  --port P --samples N [--beside M]  time of single round trips, beside M MB/s of other traffic
 *   load paced    --port P --connections N --expect R   64-byte round trips, R each second on each connection
 *   load rate     --port P --connections N --samples N --expect M   bytes in each 100 ms, and of each connection
 *
 *   --warmup S --seconds S       unmeasured, then measured time
 *   --relay-pid P --backend-pid P   whose CPU time to report; the rest of the machine is "strangers"
 *
 * Prints one JSON line. Exit status 1 and {"error":…} when it could not measure.
 */
#include "load.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(const struct options *);
} COMMANDS[] = {
    {"serve", serve},          {"bulk", bulk}, {"pingpong", pingpong},
    {"connect", connect_rate}, {"idle", idle}, {"latency", latency},
    {"rate", rate},            {"paced", paced},
};

static void read_options(struct options *o, char **words)
{
    for (; *words; words++) {
        const char *name = *words;
        if (strcmp(name, "--copy") == 0) {
            o->copy = 1;
            continue;
        }
        if (strcmp(name, "--up") == 0) {
            o->up = 1;
            continue;
        }
        const char *value = *++words;
        if (!value)
            fail("%s needs a value", name);
        if (strcmp(name, "--port") == 0)
            o->port = atoi(value);
        else if (strcmp(name, "--connections") == 0)
            o->connections = atoi(value);
        else if (strcmp(name, "--samples") == 0)
            o->samples = atoi(value);
        else if (strcmp(name, "--warmup") == 0)
            o->warmup = atof(value);
        else if (strcmp(name, "--seconds") == 0)
            o->seconds = atof(value);
        else if (strcmp(name, "--relay-pid") == 0)
            o->relay_pid = atoi(value);
        else if (strcmp(name, "--backend-pid") == 0)
            o->backend_pid = atoi(value);
        else if (strcmp(name, "--expect") == 0)
            o->expect = atof(value);
        else if (strcmp(name, "--beside") == 0)
            o->beside = atof(value);
        else
            fail("unknown option %s", name);
    }
    if (o->connections < 1 || o->samples < 1)
        fail("counts begin at 1");
}

int main(int argc, char **argv)
{
    struct options o = {.connections = 1, .samples = 20, .warmup = 0.2, .seconds = 1, .expect = 1};

    signal(SIGPIPE, SIG_IGN);
    if (argc < 2)
        fail("usage: load serve|bulk|pingpong|connect|idle|latency|rate|paced [options]");
    read_options(&o, argv + 2);
    for (size_t i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++)
        if (strcmp(argv[1], COMMANDS[i].name) == 0)
            return COMMANDS[i].run(&o);
    fail("unknown command %s", argv[1]);
}
