// hnsw_driver.cc - hnswlib as a peer: builds once, then makes one timed pass for each line it is sent.
// usage: hnsw_driver BASE.f32 DIM M EF_CONSTRUCTION THREADS
//   search EF THREADS QUERIES.f32 FILTER|- IDS.i32|- K   one query per call on THREADS threads (the first pass too)
//   add ROWS.f32                                     inserts them with the build's threads
// Replies are one line of JSON each; the first says what the build took. Vectors are expected at length one.
#include <hnswlib/hnswlib.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begun)
{
    return std::chrono::duration<double>(Clock::now() - begun).count();
}

double cpu_seconds()
{
    struct rusage used {};
    getrusage(RUSAGE_SELF, &used);
    return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

// A file as both sides of the bench read it: mapped.
struct Mapped {
    const void *at = nullptr;
    size_t bytes = 0;
    explicit Mapped(const std::string &path)
    {
        int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
        struct stat st {};
        if (fd < 0 || fstat(fd, &st) != 0) {
            perror(path.c_str());
            exit(1);
        }
        bytes = static_cast<size_t>(st.st_size);
        at = bytes ? mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0) : nullptr;
        close(fd);
    }
    Mapped(const Mapped &) = delete;
    Mapped &operator=(const Mapped &) = delete;
    ~Mapped()
    {
        if (at)
            munmap(const_cast<void *>(at), bytes);
    }
    const float *floats() const
    {
        return static_cast<const float *>(at);
    }
};

struct BitFilter : hnswlib::BaseFilterFunctor {
    const unsigned char *bits;
    explicit BitFilter(const void *at) : bits(static_cast<const unsigned char *>(at))
    {
    }
    bool operator()(hnswlib::labeltype row) override
    {
        return (bits[row / 8] >> (row % 8)) & 1;
    }
};

struct Peer {
    size_t dim;
    unsigned threads;
    hnswlib::InnerProductSpace space;
    std::unique_ptr<hnswlib::HierarchicalNSW<float>> graph;
    size_t rows = 0;

    Peer(size_t d, unsigned t) : dim(d), threads(t), space(d)
    {
    }

    void add(const float *values, size_t count)
    {
        std::atomic<size_t> next{0};
        if (rows == 0 && count > 0)
            graph->addPoint(values, next++);
        auto work = [&] {
            for (size_t i; (i = next++) < count;)
                graph->addPoint(values + i * dim, rows + i);
        };
        std::vector<std::thread> others;
        for (unsigned t = 1; t < threads; t++)
            others.emplace_back(work);
        work();
        for (auto &other : others)
            other.join();
        rows += count;
    }
};

double at_share(std::vector<double> &sorted, double share)
{
    return sorted[std::min(sorted.size() - 1,
                           static_cast<size_t>(share * static_cast<double>(sorted.size())))] *
           1e6;
}

void search(Peer &peer, std::istringstream &words)
{
    size_t ef, k;
    unsigned threads;
    std::string queries_path, filter_path, ids_path;
    words >> ef >> threads >> queries_path >> filter_path >> ids_path >> k;
    Mapped queries(queries_path);
    std::unique_ptr<Mapped> bits(filter_path == "-" ? nullptr : new Mapped(filter_path));
    std::unique_ptr<BitFilter> filter(bits ? new BitFilter(bits->at) : nullptr);
    const size_t count = queries.bytes / sizeof(float) / peer.dim;
    std::vector<double> took(count);
    std::vector<int32_t> ids(count * k, -1);
    peer.graph->setEf(ef);
    auto work = [&](size_t first) {
        for (size_t q = first; q < count; q += threads) {
            auto begun = Clock::now();
            auto found = peer.graph->searchKnn(queries.floats() + q * peer.dim, k, filter.get());
            took[q] = seconds_since(begun);
            for (size_t i = found.size(); i-- > 0; found.pop())
                ids[q * k + i] = static_cast<int32_t>(found.top().second);
        }
    };
    auto begun = Clock::now();
    std::vector<std::thread> others;
    for (unsigned t = 1; t < threads; t++)
        others.emplace_back(work, t);
    work(0);
    for (auto &other : others)
        other.join();
    const double wall = seconds_since(begun);
    if (ids_path != "-")
        std::ofstream(ids_path, std::ios::binary)
            .write(reinterpret_cast<const char *>(ids.data()),
                   static_cast<std::streamsize>(ids.size() * sizeof(int32_t)));
    std::sort(took.begin(), took.end());
    std::printf("{\"p50_us\":%.3f,\"p95_us\":%.3f,\"p99_us\":%.3f,\"qps\":%.1f}\n",
                at_share(took, 0.5), at_share(took, 0.95), at_share(took, 0.99),
                static_cast<double>(count) / wall);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 6) {
        std::fprintf(stderr, "usage: hnsw_driver BASE.f32 DIM M EF_CONSTRUCTION THREADS\n");
        return 2;
    }
    Peer peer(std::stoul(argv[2]), static_cast<unsigned>(std::stoul(argv[5])));
    {
        Mapped base(argv[1]);
        const size_t rows = base.bytes / sizeof(float) / peer.dim;
        auto begun = Clock::now();
        peer.graph.reset(new hnswlib::HierarchicalNSW<float>(
            &peer.space, rows + 10000, std::stoul(argv[3]), std::stoul(argv[4])));
        peer.add(base.floats(), rows);
        std::printf(
            "{\"build_s\":%.4f,\"build_cpu_s\":%.4f,\"name\":\"hnswlib 0.8.0 M%s efc%s\"}\n",
            seconds_since(begun), cpu_seconds(), argv[3], argv[4]);
        std::fflush(stdout);
    }
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        std::string verb, path;
        words >> verb;
        if (verb == "search") {
            search(peer, words);
        } else if (verb == "add" && words >> path) {
            Mapped more(path);
            auto begun = Clock::now();
            peer.add(more.floats(), more.bytes / sizeof(float) / peer.dim);
            std::printf("{\"add_s\":%.4f,\"cpu_s\":%.4f}\n", seconds_since(begun), cpu_seconds());
        }
        std::fflush(stdout);
    }
    return 0;
}
