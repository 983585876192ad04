#define _GNU_SOURCE /* sched_getaffinity, sched_getcpu */
#include "base/cpus.h"

#include <sched.h>

unsigned
cpus_usable(void)
{
	cpu_set_t cpus;

	return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? (unsigned)CPU_COUNT(&cpus) : 1;
}

int
cpus_here(void)
{
	return sched_getcpu();
}

void
cpus_leave(int cpu)
{
	cpu_set_t all, others;

	if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof(all), &all) < 0)
		return;
	others = all;
	CPU_CLR((size_t)cpu, &others);
	if (CPU_COUNT(&others) && sched_setaffinity(0, sizeof(others), &others) == 0)
		(void)sched_setaffinity(0, sizeof(all), &all);
}
