import Foundation

/// Threads for calls that may block.
///
/// They are none of Dispatch's: where Swift's cooperative pool is made of those, as on Linux, tasks would wait for the
/// calls that block.
final class Workers: @unchecked Sendable {
    /// For calls that end by themselves.
    static let calls = Workers(most: 64)
    /// For computations, which wait for tasks that may need threads of ``calls``, or of further computations: so there is
    /// no bound.
    static let computations = Workers(most: .max)

    /// How long a thread stays that has nothing to do.
    private static let patience: TimeInterval = 10

    private let condition = NSCondition()
    private let most: Int
    private var jobs: [@Sendable () -> Void] = []
    /// Jobs before this one were taken.
    private var taken = 0
    private var idle = 0
    private var threads = 0

    private init(most: Int) { self.most = most }

    func run(_ job: @escaping @Sendable () -> Void) {
        condition.lock()
        jobs.append(job)
        let starts = jobs.count - taken > idle && threads < most
        if starts { threads += 1 }
        condition.signal()
        condition.unlock()
        if starts { Thread.detachNewThread { self.work() } }
    }

    private func work() {
        condition.lock()
        while true {
            if let job = next() {
                condition.unlock()
                job()
                condition.lock()
                continue
            }
            idle += 1
            let woken = condition.wait(until: Date(timeIntervalSinceNow: Self.patience))
            idle -= 1
            if !woken, taken == jobs.count {
                threads -= 1
                condition.unlock()
                return
            }
        }
    }

    private func next() -> (@Sendable () -> Void)? {
        guard taken < jobs.count else { return nil }
        defer {
            taken += 1
            if taken == jobs.count || taken == 1024 {
                jobs.removeFirst(taken)
                taken = 0
            }
        }
        return jobs[taken]
    }
}
