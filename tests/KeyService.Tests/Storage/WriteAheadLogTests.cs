using FsCheck;
using FsCheck.Fluent;
using KeyService.Server.Audit;
using KeyService.Server.Storage;
using KeyService.Server.Storage.Sqlite;

namespace KeyService.Tests.Storage;

/// <summary>
/// What a dead process left in its write-ahead log: ends of every kind are taken as SQLite takes them, and damage that would hide acknowledged
/// commits is told.
/// </summary>
public sealed class WriteAheadLogTests : IClassFixture<WriteAheadLogTests.LeftBehind>
{
    private const int HeaderLength = 32, FrameLength = 24 + 4096;
    private readonly LeftBehind _left;

    public WriteAheadLogTests(LeftBehind left) => _left = left;

    [Fact]
    public async Task A_whole_log_is_no_finding()
    {
        using var copy = _left.Copy(_left.Log);
        Assert.Null(WriteAheadLog.Inspect(copy.Path));
        await using var store = copy.Open();
        Assert.Equal(LeftBehind.Commits - 1, store.LastSequence);
    }

    [Fact]
    public void Without_this_look_SQLite_would_drop_what_stands_behind_a_flipped_byte()
    {
        using var copy = _left.Copy(Flipped(HeaderLength + (3 * FrameLength) + 2000));
        Assert.InRange(copy.Ask<long>("SELECT count(*) FROM audit_records"), 0, LeftBehind.Commits - 2);
    }

    [Fact]
    public void A_byte_flipped_before_the_last_commit_is_told_with_its_frame()
    {
        var offsets = Gen.OneOf(Gen.Choose(0, _left.LastCommitOffset - 1), Gen.Choose(0, HeaderLength + 23));
        Prop.ForAll(offsets.ToArbitrary(), offset =>
        {
            using var copy = _left.Copy(Flipped(offset));
            var damage = WriteAheadLog.Inspect(copy.Path);
            var refusal = Assert.Throws<StoreOpenException>(() => copy.Open());
            Assert.Equal(offset < HeaderLength ? 0 : offset - ((offset - HeaderLength) % FrameLength), damage?.Offset);
            Assert.Contains($"is damaged at byte {damage!.Offset}", refusal.Message, StringComparison.Ordinal);
            Assert.Contains($"truncate --size={damage.Offset} {copy.Path}-wal", refusal.Fix, StringComparison.Ordinal);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void A_log_that_ends_anywhere_is_an_end()
    {
        Prop.ForAll(Gen.Choose(0, _left.Log.Length).ToArbitrary(), length =>
        {
            using var cut = _left.Copy(_left.Log[..length]);
            Assert.Null(WriteAheadLog.Inspect(cut.Path));
            // A file that was made longer before its bytes came.
            var zeroed = _left.Log.ToArray();
            zeroed.AsSpan(length).Clear();
            using var grown = _left.Copy(zeroed);
            Assert.Null(WriteAheadLog.Inspect(grown.Path));
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public async Task The_last_commit_torn_by_a_crash_is_an_end()
    {
        using var copy = _left.Copy(Flipped(_left.LastCommitOffset + 1000));
        await using var store = copy.Open();
        Assert.Equal(LeftBehind.Commits - 2, store.LastSequence);
    }

    [Fact]
    public async Task Frames_of_an_earlier_log_that_was_begun_anew_are_no_finding()
    {
        using var file = new StoreFile();
        await using var store = file.Open();
        await LeftBehind.CommitAsync(store, 20);
        Assert.Equal(0L, file.Ask<long>("PRAGMA wal_checkpoint(RESTART)"));
        var before = new FileInfo(file.Path + "-wal").Length;
        await LeftBehind.CommitAsync(store, 3);
        Assert.Equal(before, new FileInfo(file.Path + "-wal").Length);
        using var copy = new StoreFile();
        CopyLive(file.Path, copy.Path);
        Assert.Null(WriteAheadLog.Inspect(copy.Path));
        await using var next = copy.Open();
        Assert.Equal(22, next.LastSequence);
    }

    [Fact]
    public async Task After_what_is_given_up_the_store_opens_with_the_rest()
    {
        using var copy = _left.Copy(Flipped(HeaderLength + (5 * FrameLength) + 7));
        using (var log = new FileStream(copy.Path + "-wal", FileMode.Open))
        {
            log.SetLength(WriteAheadLog.Inspect(copy.Path)!.Offset);
        }

        await using var store = copy.Open();
        Assert.InRange(store.LastSequence, 0, LeftBehind.Commits - 2);
        Assert.True((await store.ProbeAsync(CancellationToken.None)).Healthy);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_log_whose_store_is_gone_is_not_deleted_by_a_new_one(bool empty)
    {
        using var copy = _left.Copy(_left.Log);
        File.Delete(copy.Path);
        if (empty)
        {
            File.WriteAllBytes(copy.Path, []);
        }

        var refusal = Assert.Throws<StoreOpenException>(() => copy.Open());
        Assert.Contains("no store with it", refusal.Message, StringComparison.Ordinal);
        Assert.Contains($"move {copy.Path}-wal away", refusal.Fix, StringComparison.Ordinal);
        Assert.Equal(_left.Log, File.ReadAllBytes(copy.Path + "-wal"));
    }

    [Fact]
    public async Task A_running_servers_log_is_not_judged()
    {
        using var file = new StoreFile();
        await using var server = file.Open();
        await LeftBehind.CommitAsync(server, 5);
        await using var reader = SqliteStore.Open(file.Options with { Mode = StoreMode.ReadOnly }, new TestTime());
        Assert.Equal(4, reader.LastSequence);
    }

    private byte[] Flipped(int offset)
    {
        var bytes = _left.Log.ToArray();
        bytes[offset] ^= 0x10;
        return bytes;
    }

    private static void CopyLive(string from, string to)
    {
        foreach (var suffix in new[] { "", "-wal" })
        {
            using var source = new FileStream(from + suffix, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            using var target = File.Create(to + suffix);
            source.CopyTo(target);
        }
    }

    /// <summary>Store and log of a process that died after <see cref="Commits"/> commits.</summary>
    public sealed class LeftBehind : IAsyncLifetime
    {
        public const int Commits = 12;
        private readonly StoreFile _dead = new();
        private byte[] _store = [];

        public byte[] Log { get; private set; } = [];

        /// <summary>Where the last commit's frames begin.</summary>
        public int LastCommitOffset { get; private set; }

        public async ValueTask InitializeAsync()
        {
            using var file = new StoreFile();
            await using (file.Open())
            {
                // The schema goes into the file at an orderly stop.
            }

            await using var store = file.Open();
            await CommitAsync(store, Commits - 1);
            LastCommitOffset = (int)new FileInfo(file.Path + "-wal").Length;
            await CommitAsync(store, 1);
            CopyLive(file.Path, _dead.Path);
            _store = await File.ReadAllBytesAsync(_dead.Path);
            Log = await File.ReadAllBytesAsync(_dead.Path + "-wal");
        }

        public ValueTask DisposeAsync()
        {
            _dead.Dispose();
            return ValueTask.CompletedTask;
        }

        internal StoreFile Copy(byte[] log)
        {
            var copy = new StoreFile();
            File.WriteAllBytes(copy.Path, _store);
            File.WriteAllBytes(copy.Path + "-wal", log);
            return copy;
        }

        internal static async Task CommitAsync(SqliteStore store, int count)
        {
            for (var i = 0; i < count; i++)
            {
                await store.CommitAsync(new AuditRecordDraft(AuditEvent.StatusRead), null, CancellationToken.None);
            }
        }
    }
}
