/* The processors that a process may use. */
#define _GNU_SOURCE /* sched_getaffinity */
#include <pthread.h>
#include <sched.h>

#include "base/cpus.h"
#include "test.h"

#define ROUNDS 50

static unsigned came; /* rounds after which a thread was on another processor */
static bool free_to_go = true;

static void *
leave(void *arg)
{
	cpu_set_t before, after;
	int cpu, i;

	(void)arg;
	sched_getaffinity(0, sizeof(before), &before);
	for (i = 0; i < ROUNDS; i++) {
		cpu = cpus_here();
		cpus_leave(cpu);
		came += cpus_here() != cpu;
		sched_getaffinity(0, sizeof(after), &after);
		free_to_go &= CPU_EQUAL(&before, &after) != 0;
	}
	return NULL;
}

static void
run(void)
{
	pthread_t thread;

	came = 0;
	if (pthread_create(&thread, NULL, leave, NULL) == 0)
		pthread_join(thread, NULL);
}

int
main(void)
{
	cpu_set_t all, one;
	unsigned usable = cpus_usable();

	sched_getaffinity(0, sizeof(all), &all);
	ok(usable == (unsigned)CPU_COUNT(&all), "%u may be used", usable);
	run();
	ok(usable == 1 || came, "a thread leaves the one where it is (%u of %d)", came, ROUNDS);
	ok(free_to_go, "and may go anywhere then");

	cpus_leave(-1);
	cpus_leave(CPU_SETSIZE);
	sched_getaffinity(0, sizeof(one), &one);
	ok(CPU_EQUAL(&all, &one), "one that there isn't is left alone");

	CPU_ZERO(&one);
	CPU_SET((size_t)cpus_here(), &one);
	ok(sched_setaffinity(0, sizeof(one), &one) == 0 && cpus_usable() == 1, "of one");
	run();
	ok(!came && free_to_go, "nobody leaves the only one");
	return done();
}
