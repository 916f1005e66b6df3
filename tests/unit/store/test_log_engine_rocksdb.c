/* The raft log on RocksDB keeps what every raft log engine promises. */
#include "store/log/raft_rocksdb.h"

#include "tests/conform/log_engine_files.h"

int main(void)
{
	return log_engine_files_run("log_engine: RocksDB", raft_rocksdb_open);
}
