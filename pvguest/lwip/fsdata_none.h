// SPDX-License-Identifier: MIT
/* lwIP's HTTP server has no files of its own here; see pvguest/http_files.c. */
#define FS_ROOT ((const struct fsdata_file *)NULL)
#define FS_NUMFILES 0
