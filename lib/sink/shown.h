/*
 * shown: a sink for people: what goes to another sink is made fit to be looked at.
 *
 * Every line that is JSON is printed as pretty.h has it; any other is shown with its control
 * bytes and what is not UTF-8 as \xHH. A line that is to stay one line, without colours, and
 * does nothing to a terminal passes as it is.
 */
#ifndef SK_SINK_SHOWN_H
#define SK_SINK_SHOWN_H

#include "flow/flow.h"
#include "json/pretty.h"

/* Takes the inner sink over; how: PRETTY_*. */
struct sink *shown_open(struct sink *inner, unsigned how);

#endif
