/*
 * cpus: the processors that this process may use, by its affinity (taskset, a container's set).
 */
#ifndef SK_BASE_CPUS_H
#define SK_BASE_CPUS_H

/* How many; 1 if the system won't say. */
unsigned cpus_usable(void);

/* The one that runs this, or -1. */
int cpus_here(void);

/*
 * The thread that calls leaves that processor for another, if it may use one; where it runs from
 * then on is the system's affair again. Linux may start a thread where the one runs that made it,
 * and wake it there again and again, for some ten milliseconds, while another processor has
 * nothing to do.
 */
void cpus_leave(int cpu);

#endif
