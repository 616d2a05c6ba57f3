/* hone/hone.h: the door. It brings every public header; include it, and nothing else is needed. */
#ifndef HONE_HONE_H
#define HONE_HONE_H

#include "hone/api.h"
#include "hone/version.h"

#endif
