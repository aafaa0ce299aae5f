/* The measured window, and who used the processors in it. */
#include "load.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* CPU time of a process and of the children it has. */
static double cpu_of(int pid)
{
    char path[64];
    clockid_t clock;
    struct timespec t;
    double sum = 0;
    int child;

    if (!pid)
        return 0;
    if (clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &t) == 0)
        sum = (double)t.tv_sec + (double)t.tv_nsec / 1e9;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    FILE *children = fopen(path, "r");
    if (!children)
        return sum;
    while (fscanf(children, "%d", &child) == 1)
        sum += cpu_of(child);
    fclose(children);
    return sum;
}

/* All that was not idle, on all processors; what a hypervisor took away counts too, it disturbs as well. */
static double cpu_of_machine(void)
{
    unsigned long long user, nice, system, idle, iowait, irq, softirq, steal;
    FILE *stat = fopen("/proc/stat", "r");

    if (!stat || fscanf(stat, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &iowait,
                        &irq, &softirq, &steal) != 8)
        fail("cannot read /proc/stat");
    fclose(stat);
    return (double)(user + nice + system + irq + softirq + steal) / (double)sysconf(_SC_CLK_TCK);
}

static struct usage usage_now(const struct options *o)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (struct usage){
        .relay = cpu_of(o->relay_pid),
        .backend = cpu_of(o->backend_pid),
        .client = (double)t.tv_sec + (double)t.tv_nsec / 1e9,
        .machine = cpu_of_machine(),
    };
}

struct window window_new(const struct options *o)
{
    return (struct window){.options = o, .phase = WARMING, .due = now_ns() + (uint64_t)(o->warmup * 1e9)};
}

enum phase window_look(struct window *w, uint64_t now)
{
    if (w->phase == OVER || now < w->due)
        return w->phase;
    if (w->phase == WARMING) {
        w->before = usage_now(w->options);
        w->opened = now_ns();
        w->due = w->opened + (uint64_t)(w->options->seconds * 1e9);
        w->phase = MEASURING;
    } else {
        w->seconds = (double)(now - w->opened) / 1e9;
        w->after = usage_now(w->options);
        w->phase = OVER;
    }
    return w->phase;
}

void window_wait(struct window *w)
{
    uint64_t now;

    while ((now = now_ns()) < w->due)
        usleep((useconds_t)((w->due - now) / 1000 + 1));
    window_look(w, now);
}

void window_print(const struct window *w)
{
    double relay = w->after.relay - w->before.relay;
    double backend = w->after.backend - w->before.backend;
    double client = w->after.client - w->before.client;
    double machine = w->after.machine - w->before.machine;

    printf(",\"seconds\":%.4f,\"relay_cpu_s\":%.4f", w->seconds, relay);
    printf(",\"backend_cpu_s\":%.4f,\"client_cpu_s\":%.4f", backend, client);
    printf(",\"strangers\":%.3f", (machine - relay - backend - client) / w->seconds); /* in processors */
}

double resident_kb(int pid)
{
    char path[64], line[256];
    double kb = -1;

    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid); /* exact, VmRSS is not */
    FILE *rollup = fopen(path, "r");
    if (rollup) {
        while (kb < 0 && fgets(line, sizeof line, rollup))
            sscanf(line, "Rss: %lf", &kb);
        fclose(rollup);
    }
    if (kb < 0)
        fail("cannot read %s", path);
    return kb;
}
