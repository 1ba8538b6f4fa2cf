using KeyService.Client;
using KeyService.Crypto;

namespace KeyService.Tests.Sdk;

/// <summary>A held key: who may come in, until when, and that it is zeroed once, and under nobody.</summary>
public sealed class HeldKeyTests
{
    private readonly LeaseStanding standing = new("00000000000000ff", EncryptionContext.Empty);

    [Fact]
    public void A_closed_key_is_zeroed_when_its_last_user_leaves()
    {
        var key = NewKey();
        Assert.True(key.TryBeginEncrypt(key.Now, 10));
        Assert.True(key.TryBeginEncrypt(key.Now, 10));
        key.Close();
        Assert.False(key.TryBeginEncrypt(key.Now, 10));
        Assert.Equal(0, key.Zeroings);
        key.End();
        Assert.False(key.IsZeroed);
        key.End();
        Assert.True(key.IsZeroed);
        key.Close();
        Assert.Equal(1, key.Zeroings);
    }

    [Fact]
    public void Threads_that_come_and_go_never_meet_a_zeroed_key()
    {
        for (var round = 0; round < 50; round++)
        {
            var key = NewKey();
            using var begin = new Barrier(4);
            var threads = Enumerable.Range(0, 3).Select(_ => new Thread(() =>
            {
                begin.SignalAndWait();
                while (key.TryBeginEncrypt(key.Now, 1))
                {
                    Assert.False(key.IsZeroed);
                    key.End();
                }
            })).ToList();
            threads.ForEach(thread => thread.Start());
            begin.SignalAndWait();
            Thread.SpinWait(round * 100);
            key.Close();
            threads.ForEach(thread => thread.Join());
            Assert.Equal((true, 1), (key.IsZeroed, key.Zeroings));
        }
    }

    [Theory]
    [InlineData(10, 1000, 1, 10)]
    [InlineData(1000, 10, 3, 3)]
    public void Messages_and_bytes_bound_it(long maxMessages, long maxBytes, int bytes, int fits)
    {
        var key = NewKey(new LeasePolicy { MaxMessages = maxMessages, MaxBytes = maxBytes });
        for (var i = 0; i < fits; i++)
        {
            Assert.True(key.TryBeginEncrypt(key.Now, bytes));
            key.End();
        }
        Assert.False(key.TryBeginEncrypt(key.Now, bytes));
        Assert.True(key.IsSpent);
        Assert.Equal((fits, fits * bytes), (key.TakeUse().EncryptedMessages, fits * bytes));
        Assert.Equal(default, key.TakeUse());
    }

    [Fact]
    public void Time_bounds_it_and_the_service_moves_the_bound()
    {
        var key = NewKey();
        var minute = TimeProvider.System.TimestampFrequency * 60;
        Assert.False(key.TryBeginEncrypt(key.MadeAt + minute + 1, 1));
        standing.Hear(encrypt: true, decrypt: true, key.MadeAt + minute);
        key.Refresh();
        Assert.True(key.TryBeginEncrypt(key.MadeAt + minute + minute, 1));
        Assert.True(key.TryBeginDecrypt(key.MadeAt + minute + minute, 1));
        Assert.False(key.TryBeginDecrypt(key.MadeAt + minute + minute + 1, 1));
        Assert.False(key.TryBeginInGrace(encrypt: true, key.MadeAt + minute + minute + 1, 1));
    }

    [Fact]
    public void What_the_service_withdraws_is_withdrawn()
    {
        var key = NewKey();
        standing.Hear(encrypt: false, decrypt: true, key.Now);
        key.Refresh();
        Assert.False(key.TryBeginEncrypt(key.Now, 1));
        Assert.True(key.TryBeginDecrypt(key.Now, 1));
        key.End();
        Assert.False(key.IsClosed);
        standing.Hear(encrypt: false, decrypt: false, key.Now);
        key.Refresh();
        Assert.True(key.IsZeroed);
    }

    [Fact]
    public void A_grace_lets_in_for_its_time_and_counts()
    {
        var key = NewKey(new LeasePolicy { Grace = TimeSpan.FromSeconds(30) });
        var second = TimeProvider.System.TimestampFrequency;
        Assert.True(key.TryBeginInGrace(encrypt: true, key.MadeAt + (89 * second), 1));
        key.End();
        Assert.False(key.TryBeginInGrace(encrypt: true, key.MadeAt + (91 * second), 1));
        Assert.Equal(1, key.TakeUse().GraceMessages);
        // Expired by a sleep: then there is no grace either.
        key.Expire();
        Assert.False(key.TryBeginInGrace(encrypt: true, TimeProvider.System.GetTimestamp(), 1));
    }

    private ProbeKey NewKey(LeasePolicy? policy = null)
    {
        var times = new LeaseTimes(policy ?? new LeasePolicy(), TimeProvider.System);
        return new ProbeKey(standing, times);
    }

    private sealed class ProbeKey(LeaseStanding standing, LeaseTimes times) : HeldKey(1, standing, times, generated: true, times.Now)
    {
        private int zeroings;

        public long Now => MadeAt + 1;

        public int Zeroings => Volatile.Read(ref zeroings);

        protected override void Zero() => Interlocked.Increment(ref zeroings);
    }
}
