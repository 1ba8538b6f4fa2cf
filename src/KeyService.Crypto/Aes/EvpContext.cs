using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace KeyService.Crypto;

/// <summary>
/// One EVP_CIPHER_CTX, reused for many messages. libcrypto zeroes the key schedule when it is freed. Not thread-safe. Every method keeps
/// the handle alive to its end, so that a finalizer cannot free the context under a running call.
/// </summary>
internal sealed unsafe class EvpContext : SafeHandle
{
    public EvpContext()
        : base(0, ownsHandle: true)
    {
    }

    public override bool IsInvalid => handle == 0;

    internal static EvpContext Create(nint cipher)
    {
        var context = new EvpContext();
        context.SetHandle(LibCrypto.ContextNew());
        if (context.IsInvalid || LibCrypto.EncryptInit(context.handle, cipher, 0, null, null) != 1)
        {
            context.Dispose();
            throw Failed();
        }
        return context;
    }

    // A pointer that was freed must not reach libcrypto, whatever a caller does with a disposed cipher.
    private nint Live
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return handle;
        }
    }

    internal void DisablePadding()
    {
        Check(LibCrypto.SetPadding(Live, 0));
        GC.KeepAlive(this);
    }

    /// <param name="key">32 bytes, or empty: the key stays.</param>
    /// <param name="iv">12 bytes, or empty where the mode has none or it follows.</param>
    internal void StartEncryption(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv)
    {
        fixed (byte* keyPointer = key)
        fixed (byte* ivPointer = iv)
        {
            Check(LibCrypto.EncryptInit(Live, 0, 0, keyPointer, ivPointer));
        }
        GC.KeepAlive(this);
    }

    /// <inheritdoc cref="StartEncryption"/>
    internal void StartDecryption(ReadOnlySpan<byte> key, ReadOnlySpan<byte> iv)
    {
        fixed (byte* keyPointer = key)
        fixed (byte* ivPointer = iv)
        {
            Check(LibCrypto.DecryptInit(Live, 0, 0, keyPointer, ivPointer));
        }
        GC.KeepAlive(this);
    }

    /// <param name="input">Associated data if <paramref name="output"/> is empty, otherwise as many bytes as that.</param>
    /// <param name="output">May be <paramref name="input"/> itself.</param>
    internal void Encrypt(ReadOnlySpan<byte> input, Span<byte> output)
    {
        int written;
        fixed (byte* inputPointer = input)
        fixed (byte* outputPointer = output)
        {
            Check(input.Length <= LibCrypto.ShortLength
                ? LibCrypto.EncryptUpdateShort(Live, outputPointer, &written, inputPointer, input.Length)
                : LibCrypto.EncryptUpdateLong(Live, outputPointer, &written, inputPointer, input.Length));
        }
        GC.KeepAlive(this);
    }

    /// <inheritdoc cref="Encrypt"/>
    internal void Decrypt(ReadOnlySpan<byte> input, Span<byte> output)
    {
        int written;
        fixed (byte* inputPointer = input)
        fixed (byte* outputPointer = output)
        {
            Check(input.Length <= LibCrypto.ShortLength
                ? LibCrypto.DecryptUpdateShort(Live, outputPointer, &written, inputPointer, input.Length)
                : LibCrypto.DecryptUpdateLong(Live, outputPointer, &written, inputPointer, input.Length));
        }
        GC.KeepAlive(this);
    }

    /// <param name="tag">16 bytes to be written.</param>
    internal void FinishEncryption(Span<byte> tag)
    {
        // GCM writes nothing at its end, but the function wants a place.
        byte* nothing = stackalloc byte[16];
        int written;
        Check(LibCrypto.EncryptFinal(Live, nothing, &written));
        fixed (byte* tagPointer = tag)
        {
            Check(LibCrypto.Control(Live, LibCrypto.ControlGetTag, tag.Length, tagPointer));
        }
        GC.KeepAlive(this);
    }

    /// <param name="tag">16 bytes.</param>
    /// <returns>Whether the tag is right. libcrypto compares in constant time.</returns>
    internal bool FinishDecryption(ReadOnlySpan<byte> tag)
    {
        byte* nothing = stackalloc byte[16];
        int written;
        fixed (byte* tagPointer = tag)
        {
            Check(LibCrypto.Control(Live, LibCrypto.ControlSetTag, tag.Length, tagPointer));
        }
        bool verified = LibCrypto.DecryptFinal(Live, nothing, &written) == 1;
        if (!verified)
        {
            LibCrypto.ClearErrors();
        }
        GC.KeepAlive(this);
        return verified;
    }

    protected override bool ReleaseHandle()
    {
        LibCrypto.ContextFree(handle);
        return true;
    }

    private static void Check(int result)
    {
        if (result != 1)
        {
            throw Failed();
        }
    }

    private static CryptographicException Failed()
    {
        LibCrypto.ClearErrors();
        return new CryptographicException("libcrypto refused an AES operation.");
    }
}
