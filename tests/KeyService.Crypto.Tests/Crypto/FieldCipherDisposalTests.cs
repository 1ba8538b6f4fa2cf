using System.Runtime.CompilerServices;
using KeyService.Crypto;

namespace KeyService.Tests.Crypto;

/// <summary>
/// What a field cipher leaves behind: nothing. Keys and key schedules stand in native memory that no test can look into from outside, so these look at the
/// private places where they are held.
/// </summary>
public sealed class FieldCipherDisposalTests
{
    private const int IdleStates = 64;
    private static readonly EncryptionContext Context = EncryptionContext.Create("tenant", "st-mary");

    [Fact]
    public void A_disposed_cipher_has_zeroed_its_key_and_disposed_of_its_states()
    {
        using SecretBuffer key = SecretBuffer.Random(32);
        var cipher = new FieldCipher(key, new KeyVersionId(7));
        cipher.Encrypt(Context, [1, 2, 3], new byte[cipher.TokenLength(3)]);
        SecretBuffer copy = KeyOf(cipher);
        FieldCipherState idle = Assert.Single(IdleOf(cipher), state => state is not null)!;
        Assert.NotSame(key, copy);

        cipher.Dispose();
        Assert.Throws<ObjectDisposedException>(() => { _ = copy.DangerousSpan; });
        Assert.All(IdleOf(cipher), Assert.Null);
        Assert.Throws<ObjectDisposedException>(() => idle.Encrypt(Context, [1], new byte[1 + 24 + 16]));
        Assert.Throws<ObjectDisposedException>(() => cipher.Encrypt(Context, [], new byte[49]));
        Assert.False(key.DangerousSpan.IndexOfAnyExcept((byte)0) < 0, "The caller's key is the caller's.");
        cipher.Dispose();
    }

    [Fact]
    public void A_disposed_state_has_no_nonce_left()
    {
        var state = new FieldCipherState(new byte[32], new byte[25]);
        state.Encrypt(Context, [1], new byte[1 + 24 + 16]);
        byte[] drawnAhead = BufferOf(NoncesOf(state));
        Assert.Contains(drawnAhead, value => value != 0);
        state.Dispose();
        Assert.DoesNotContain(drawnAhead, value => value != 0);
    }

    [Fact]
    public void A_nonce_is_forgotten_when_it_is_given_out_and_a_new_draw_follows_the_256th()
    {
        using var nonces = new NonceSource(24);
        var given = new HashSet<string>();
        for (int i = 0; i < 600; i++)
        {
            byte[] nonce = new byte[24];
            nonces.Take(nonce);
            Assert.True(given.Add(Convert.ToHexString(nonce)), "A nonce came twice.");
            Assert.True(BufferOf(nonces).AsSpan(i % 256 * 24, 24).IndexOfAnyExcept((byte)0) < 0, "A nonce that was given out is still there.");
        }
    }

    [Fact]
    public void States_go_back_to_the_first_free_place_and_one_without_a_place_is_disposed_of()
    {
        using SecretBuffer key = SecretBuffer.Random(32);
        using var cipher = new FieldCipher(key, new KeyVersionId(7));
        FieldCipherState[] states = [.. Enumerable.Range(0, IdleStates + 1).Select(_ => Rent(cipher))];
        Assert.Equal(states.Length, states.Distinct().Count());
        Array.ForEach(states, state => Return(cipher, state));
        Assert.Equal(states[..IdleStates].ToHashSet(), IdleOf(cipher).ToHashSet()!);
        Assert.Throws<ObjectDisposedException>(() => states[^1].Encrypt(Context, [1], new byte[1 + 24 + 16]));
        Assert.Equal(states[..IdleStates].ToHashSet(), Enumerable.Range(0, IdleStates).Select(_ => Rent(cipher)).ToHashSet());
    }

    [Fact]
    public void A_state_that_comes_back_after_the_end_is_disposed_of()
    {
        using SecretBuffer key = SecretBuffer.Random(32);
        var cipher = new FieldCipher(key, new KeyVersionId(7));
        FieldCipherState inUse = Rent(cipher);
        cipher.Dispose();
        inUse.Encrypt(Context, [1], new byte[1 + 24 + 16]);
        Return(cipher, inUse);
        Assert.All(IdleOf(cipher), Assert.Null);
        Assert.Throws<ObjectDisposedException>(() => inUse.Encrypt(Context, [1], new byte[1 + 24 + 16]));
    }

    [Fact]
    public void Misuse_is_told_what_it_is()
    {
        using SecretBuffer key = SecretBuffer.Random(32);
        Assert.Throws<ArgumentNullException>(() => new FieldCipher(null!, new KeyVersionId(1)));
        using var cipher = new FieldCipher(key, new KeyVersionId(7));
        ArgumentException token = Assert.Throws<ArgumentException>(() => cipher.Encrypt(Context, new byte[10], new byte[58]));
        Assert.Equal("token", token.ParamName);
        Assert.StartsWith("The token of 10 bytes takes 59.", token.Message, StringComparison.Ordinal);
        byte[] made = new byte[59];
        cipher.Encrypt(Context, new byte[10], made);
        ArgumentException plaintext = Assert.Throws<ArgumentException>(() => cipher.TryDecrypt(Context, made, new byte[11]));
        Assert.Equal("plaintext", plaintext.ParamName);
        Assert.StartsWith("The plaintext of this token has 10 bytes.", plaintext.Message, StringComparison.Ordinal);
        Assert.Equal("token", Assert.Throws<ArgumentException>(() => FieldTokenText.Format([1, 2, 3])).ParamName);
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_key")]
    private static extern ref SecretBuffer KeyOf(FieldCipher cipher);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_idle")]
    private static extern ref FieldCipherState?[] IdleOf(FieldCipher cipher);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_nonces")]
    private static extern ref NonceSource NoncesOf(FieldCipherState state);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_buffer")]
    private static extern ref byte[] BufferOf(NonceSource nonces);

    [UnsafeAccessor(UnsafeAccessorKind.Method)]
    private static extern FieldCipherState Rent(FieldCipher cipher);

    [UnsafeAccessor(UnsafeAccessorKind.Method)]
    private static extern void Return(FieldCipher cipher, FieldCipherState state);
}
