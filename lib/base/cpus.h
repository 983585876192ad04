/*
 * cpus: how many processors this process may use, by its affinity (taskset, a container's set).
 */
#ifndef SK_BASE_CPUS_H
#define SK_BASE_CPUS_H

/* 1 if the system won't say. */
unsigned cpus_usable(void);

#endif
