using System.Collections.Concurrent;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

public sealed class FieldCipherTests
{
    private static readonly EncryptionContext Context = EncryptionContext.Create([new("tenant", "st-mary"), new("table", "observation")]);

    [Fact]
    public void Many_threads_on_one_cipher_make_tokens_that_all_open_and_share_no_nonce()
    {
        using SecretBuffer key = SecretBuffer.Random(32);
        using var cipher = new FieldCipher(key, new KeyVersionId(7));
        var nonces = new ConcurrentDictionary<UInt128, byte>();
        int wrong = 0;
        Thread[] threads = [.. Enumerable.Range(0, 8).Select(number => new Thread(() =>
        {
            byte[] plaintext = [.. Enumerable.Repeat((byte)number, 100)];
            var token = new byte[cipher.TokenLength(plaintext.Length)];
            var opened = new byte[plaintext.Length];
            for (int i = 0; i < 2_000; i++)
            {
                cipher.Encrypt(Context, plaintext, token);
                // 16 of the 24 bytes: a repeated generator state would repeat these.
                bool fresh = nonces.TryAdd(BitConverter.ToUInt128(token, 9), 0);
                if (!fresh || !cipher.TryDecrypt(Context, token, opened) || !opened.AsSpan().SequenceEqual(plaintext))
                {
                    Interlocked.Increment(ref wrong);
                }
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        Assert.Equal(0, wrong);
        Assert.Equal(16_000, nonces.Count);
    }

    [Fact]
    public void Encrypting_and_decrypting_allocate_nothing()
    {
        Infrastructure.Require(Aes256Gcm.UsesEvp, "OpenSSL's libcrypto 3");
        using SecretBuffer key = SecretBuffer.Random(32);
        using var cipher = new FieldCipher(key, new KeyVersionId(7));
        var plaintext = new byte[100];
        var token = new byte[cipher.TokenLength(100)];
        Round(2);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Round(1_000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Round(int times)
        {
            for (int i = 0; i < times; i++)
            {
                cipher.Encrypt(Context, plaintext, token);
                cipher.TryDecrypt(Context, token, plaintext);
            }
        }
    }

    [Fact]
    public void More_threads_at_once_than_idle_states_still_work()
    {
        using SecretBuffer key = SecretBuffer.Random(32);
        using var cipher = new FieldCipher(key, new KeyVersionId(7));
        int opened = 0;
        Parallel.For(0, 500, new ParallelOptions { MaxDegreeOfParallelism = 100 }, _ =>
        {
            var token = new byte[cipher.TokenLength(4)];
            cipher.Encrypt(Context, [1, 2, 3, 4], token);
            if (cipher.TryDecrypt(Context, token, new byte[4]))
            {
                Interlocked.Increment(ref opened);
            }
        });
        Assert.Equal(500, opened);
    }

    [Fact]
    public void The_key_is_copied_and_gone_after_disposing()
    {
        FieldCipher cipher;
        var token = new byte[FieldToken.Overhead1];
        using (SecretBuffer key = SecretBuffer.Random(32))
        {
            cipher = new FieldCipher(key, new KeyVersionId(7));
        }
        cipher.Encrypt(Context, [], token);
        Assert.True(cipher.TryDecrypt(Context, token, []));
        cipher.Dispose();
        cipher.Dispose();
        Assert.Throws<ObjectDisposedException>(() => cipher.Encrypt(Context, [], token));
        Assert.Throws<ObjectDisposedException>(() => cipher.TryDecrypt(Context, token, []));
    }

    [Fact]
    public void Disposing_while_other_threads_work_ends_them_with_an_exception_and_never_with_a_wrong_token()
    {
        using SecretBuffer key = SecretBuffer.Random(32);
        using var checking = new FieldCipher(key, new KeyVersionId(7));
        for (int round = 0; round < 20; round++)
        {
            var cipher = new FieldCipher(key, new KeyVersionId(7));
            int wrong = 0;
            using var started = new CountdownEvent(3);
            Thread[] threads = [.. Enumerable.Range(0, 3).Select(_ => new Thread(() =>
            {
                var token = new byte[cipher.TokenLength(50)];
                var plaintext = new byte[50];
                bool first = true;
                try
                {
                    while (true)
                    {
                        cipher.Encrypt(Context, plaintext, token);
                        if (!checking.TryDecrypt(Context, token, plaintext))
                        {
                            Interlocked.Increment(ref wrong);
                        }
                        if (first)
                        {
                            started.Signal();
                            first = false;
                        }
                    }
                }
                catch (ObjectDisposedException)
                {
                    // The end that is meant.
                }
            }))];
            Array.ForEach(threads, thread => thread.Start());
            started.Wait(TestContext.Current.CancellationToken);
            cipher.Dispose();
            Array.ForEach(threads, thread => thread.Join());
            Assert.Equal(0, wrong);
        }
    }

    [Fact]
    public void A_token_of_one_format_does_not_open_in_the_other_under_the_same_key()
    {
        using SecretBuffer key = SecretBuffer.Random(32);
        using var one = new FieldCipher(key, new KeyVersionId(7));
        using var two = new FieldCipher(key, new byte[16]);
        var token = new byte[one.TokenLength(16)];
        one.Encrypt(Context, new byte[16], token);
        // The same nonce, ciphertext and tag with the header of the second format: bound by the associated data.
        byte[] moved = [FieldToken.Format2, .. new byte[16], .. token[9..]];
        Assert.False(two.TryDecrypt(Context, moved, new byte[16]));
        Assert.False(two.TryDecrypt(Context, token, new byte[16]));
    }

    [Fact]
    public void Misuse_by_the_caller_throws()
    {
        using SecretBuffer key = SecretBuffer.Random(32);
        using SecretBuffer small = SecretBuffer.Random(16);
        using var cipher = new FieldCipher(key, new KeyVersionId(7));
        Assert.Throws<ArgumentOutOfRangeException>(() => new FieldCipher(small, new KeyVersionId(7)));
        Assert.Throws<ArgumentException>(() => new FieldCipher(key, KeyVersionId.None));
        Assert.Throws<ArgumentException>(() => new FieldCipher(key, new byte[15]));
        Assert.Throws<ArgumentException>(() => cipher.Encrypt(Context, new byte[10], new byte[10]));
        Assert.Throws<ArgumentOutOfRangeException>(() => cipher.TokenLength(FieldToken.MaxPlaintextLength + 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => cipher.TokenLength(-1));
        var token = new byte[cipher.TokenLength(10)];
        cipher.Encrypt(Context, new byte[10], token);
        Assert.Throws<ArgumentException>(() => cipher.TryDecrypt(Context, token, new byte[9]));
    }

    [Fact]
    public void A_nonce_source_gives_each_nonce_once_and_keeps_none()
    {
        using var source = new NonceSource(24);
        var seen = new HashSet<string>();
        var nonce = new byte[24];
        for (int i = 0; i < 1000; i++)
        {
            source.Take(nonce);
            Assert.True(seen.Add(Convert.ToHexString(nonce)));
        }
    }
}
