/* The tests of env_conform.c that have files of their own. */
#ifndef RAFTKV_TESTS_CONFORM_ENV_CONFORM_PARTS_H
#define RAFTKV_TESTS_CONFORM_ENV_CONFORM_PARTS_H

/* env_conform_files.c */
void env_conform_file_bytes(void **state);
void env_conform_file_flags(void **state);
void env_conform_file_space(void **state);
void env_conform_file_direct(void **state);
void env_conform_file_requests(void **state);
void env_conform_file_request_without_loop(void **state);
void env_conform_directories(void **state);

#endif
