using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Hsm.Connection;
using KeyService.Hsm.Hierarchy;
using KeyService.Hsm.Pkcs11;
using KeyService.Hsm.Sessions;

namespace KeyService.Hsm;

/// <summary>The hot path: data keys made, wrapped and unwrapped under a KEK inside the token; random bytes.</summary>
public sealed partial class HsmToken
{
    /// <summary>Longest plaintext of <see cref="EncryptAsync"/>, bytes.</summary>
    public const int MaxPlaintextLength = 4096;

    private const int SealOverhead = HsmSession.GcmIvLength + HsmSession.GcmTagLength;

    /// <summary>Data keys drawn from the token at once: 64 keys and IVs are 2,816 random bytes, within what any module gives in one call.</summary>
    private const int Chunk = 64;

    /// <summary>Makes data keys and wraps them, all in one rented session.</summary>
    /// <param name="id">The key version whose KEK wraps.</param>
    /// <param name="count">How many, at least 1.</param>
    /// <param name="aadOf">Associated data of key number i, complete.</param>
    /// <param name="plaintexts">32 bytes for each key, or empty when only the wrapped keys are wanted. Zeroed if the call fails.</param>
    /// <param name="wrapped">69 bytes for each key: complete <see cref="WrappedDataKey"/>s.</param>
    /// <param name="cancellationToken">Looked at between chunks of 64 keys.</param>
    public ValueTask GenerateDataKeysAsync(
        KeyVersionId id, int count, Func<int, ReadOnlyMemory<byte>> aadOf, Memory<byte> plaintexts, Memory<byte> wrapped,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(aadOf);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        if (plaintexts.Length != 0)
        {
            ArgumentOutOfRangeException.ThrowIfNotEqual(plaintexts.Length, checked(count * WrappedDataKey.DataKeyLength), nameof(plaintexts));
        }
        ArgumentOutOfRangeException.ThrowIfNotEqual(wrapped.Length, checked(count * WrappedDataKey.Length), nameof(wrapped));
        return Discard(WithKekAsync(
            id,
            static (session, kek, state) =>
            {
                Generate(session, kek, state.id, state.count, state.aadOf, state.plaintexts.Span, state.wrapped.Span, state.cancellationToken);
                return true;
            },
            (id, count, aadOf, plaintexts, wrapped, cancellationToken),
            cancellationToken));
    }

    /// <summary>Wraps a data key that exists already (re-wrapping to another version).</summary>
    /// <param name="id">The key version whose KEK wraps.</param>
    /// <param name="plaintext">32 bytes.</param>
    /// <param name="aad">Associated data, complete.</param>
    /// <param name="wrapped">69 bytes.</param>
    /// <param name="cancellationToken">Cancels waiting for a turn.</param>
    public ValueTask WrapDataKeyAsync(
        KeyVersionId id, ReadOnlyMemory<byte> plaintext, ReadOnlyMemory<byte> aad, Memory<byte> wrapped, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(plaintext.Length, WrappedDataKey.DataKeyLength, nameof(plaintext));
        ArgumentOutOfRangeException.ThrowIfNotEqual(wrapped.Length, WrappedDataKey.Length, nameof(wrapped));
        return Discard(WithKekAsync(
            id,
            static (session, kek, state) =>
            {
                Span<byte> iv = stackalloc byte[HsmSession.GcmIvLength];
                session.Random(iv);
                Wrap(session, kek, state.id, iv, state.aad.Span, state.plaintext.Span, state.wrapped.Span);
                return true;
            },
            (id, plaintext, aad, wrapped),
            cancellationToken));
    }

    /// <summary>Unwraps a data key. False when it does not open: damaged, other key, other associated data are one answer.</summary>
    /// <param name="id">The key version; false when the wrapped key names another.</param>
    /// <param name="wrapped">69 bytes, or anything that is then not a wrapped data key.</param>
    /// <param name="aad">Associated data, complete.</param>
    /// <param name="plaintext">32 bytes; zeroed when the answer is false.</param>
    /// <param name="cancellationToken">Cancels waiting for a turn.</param>
    public ValueTask<bool> UnwrapDataKeyAsync(
        KeyVersionId id, ReadOnlyMemory<byte> wrapped, ReadOnlyMemory<byte> aad, Memory<byte> plaintext, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(plaintext.Length, WrappedDataKey.DataKeyLength, nameof(plaintext));
        if (!WrappedDataKey.TryParse(wrapped.Span, out var parsed) || parsed.VersionId != id)
        {
            plaintext.Span.Clear();
            return ValueTask.FromResult(false);
        }
        const int IvOffset = WrappedDataKey.Length - WrappedDataKey.TagLength - WrappedDataKey.DataKeyLength - WrappedDataKey.IvLength;
        return DecryptAsync(id, wrapped[IvOffset..], aad, plaintext, cancellationToken);
    }

    /// <summary>AES-256-GCM under a KEK, for what is not a data key: IV (drawn in the token), ciphertext, tag.</summary>
    /// <param name="id">The key version.</param>
    /// <param name="plaintext">0 to 4,096 bytes.</param>
    /// <param name="aad">Associated data; the caller separates purposes.</param>
    /// <param name="sealedMessage">28 bytes more than the plaintext.</param>
    /// <param name="cancellationToken">Cancels waiting for a turn.</param>
    public ValueTask EncryptAsync(
        KeyVersionId id, ReadOnlyMemory<byte> plaintext, ReadOnlyMemory<byte> aad, Memory<byte> sealedMessage, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(plaintext.Length, MaxPlaintextLength, nameof(plaintext));
        ArgumentOutOfRangeException.ThrowIfNotEqual(sealedMessage.Length, plaintext.Length + SealOverhead, nameof(sealedMessage));
        return Discard(WithKekAsync(
            id,
            static (session, kek, state) =>
            {
                var iv = state.sealedMessage.Span[..HsmSession.GcmIvLength];
                session.Random(iv);
                session.GcmEncrypt(kek.Handle, iv, state.aad.Span, state.plaintext.Span, state.sealedMessage.Span[HsmSession.GcmIvLength..]);
                return true;
            },
            (plaintext, aad, sealedMessage),
            cancellationToken));
    }

    /// <summary>Opens what <see cref="EncryptAsync"/> made. False, and a zeroed plaintext, when it does not open.</summary>
    public ValueTask<bool> DecryptAsync(
        KeyVersionId id, ReadOnlyMemory<byte> sealedMessage, ReadOnlyMemory<byte> aad, Memory<byte> plaintext, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(plaintext.Length, MaxPlaintextLength, nameof(plaintext));
        ArgumentOutOfRangeException.ThrowIfNotEqual(sealedMessage.Length, plaintext.Length + SealOverhead, nameof(sealedMessage));
        return WithKekAsync(
            id,
            static (session, kek, state) => Open(session, kek, state.sealedMessage.Span, state.aad.Span, state.plaintext.Span),
            (sealedMessage, aad, plaintext),
            cancellationToken);
    }

    /// <summary>Random bytes of the token.</summary>
    public ValueTask RandomAsync(Memory<byte> destination, CancellationToken cancellationToken = default) => Discard(connection.RunAsync(
        static (_, session, destination) =>
        {
            for (var rest = destination.Span; !rest.IsEmpty; rest = rest[int.Min(rest.Length, Chunk * 32)..])
            {
                session.Random(rest[..int.Min(rest.Length, Chunk * 32)]);
            }
            return true;
        },
        destination,
        cancellationToken));

    private static void Generate(
        HsmSession session, KekUse kek, KeyVersionId id, int count, Func<int, ReadOnlyMemory<byte>> aadOf, Span<byte> plaintexts, Span<byte> wrapped,
        CancellationToken cancellationToken)
    {
        const int Drawn = WrappedDataKey.DataKeyLength + WrappedDataKey.IvLength;
        // One draw for keys and IVs: a call to the token's generator costs more than its bytes do.
        Span<byte> drawn = stackalloc byte[int.Min(count, Chunk) * Drawn];
        try
        {
            for (var first = 0; first < count; first += Chunk)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var size = int.Min(Chunk, count - first);
                session.Random(drawn[..(size * Drawn)]);
                var keys = drawn[..(size * WrappedDataKey.DataKeyLength)];
                var ivs = drawn[keys.Length..];
                for (var i = 0; i < size; i++)
                {
                    Wrap(session, kek, id, ivs.Slice(i * WrappedDataKey.IvLength, WrappedDataKey.IvLength), aadOf(first + i).Span,
                        keys.Slice(i * WrappedDataKey.DataKeyLength, WrappedDataKey.DataKeyLength),
                        wrapped.Slice((first + i) * WrappedDataKey.Length, WrappedDataKey.Length));
                }
                if (!plaintexts.IsEmpty)
                {
                    keys.CopyTo(plaintexts[(first * WrappedDataKey.DataKeyLength)..]);
                }
            }
        }
        catch
        {
            CryptographicOperations.ZeroMemory(plaintexts);
            wrapped.Clear();
            throw;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(drawn);
        }
    }

    private static void Wrap(
        HsmSession session, KekUse kek, KeyVersionId id, ReadOnlySpan<byte> iv, ReadOnlySpan<byte> aad, ReadOnlySpan<byte> plaintext, Span<byte> wrapped)
    {
        var ciphertextAndTag = wrapped[(WrappedDataKey.Length - WrappedDataKey.DataKeyLength - WrappedDataKey.TagLength)..];
        session.GcmEncrypt(kek.Handle, iv, aad, plaintext, ciphertextAndTag);
        WrappedDataKey.Write(wrapped, id, iv, ciphertextAndTag);
    }

    private static bool Open(HsmSession session, KekUse kek, ReadOnlySpan<byte> sealedMessage, ReadOnlySpan<byte> aad, Span<byte> plaintext)
    {
        var iv = sealedMessage[..HsmSession.GcmIvLength];
        var ciphertextAndTag = sealedMessage[HsmSession.GcmIvLength..];
        // SoftHSM wants room for the tag too, so the plaintext cannot be written where it belongs.
        Span<byte> output = stackalloc byte[ciphertextAndTag.Length]; // bounded by MaxPlaintextLength in the public methods
        try
        {
            var code = session.GcmDecrypt(kek.Handle, iv, aad, ciphertextAndTag, output);
            if (ReturnCodes.IsAmbiguous(code))
            {
                code = kek.DecryptAgain(iv, aad, ciphertextAndTag, output);
            }
            if (code == ReturnCodes.Ok)
            {
                output[..plaintext.Length].CopyTo(plaintext);
                return true;
            }
            CryptographicOperations.ZeroMemory(plaintext);
            if (ReturnCodes.IsAmbiguous(code))
            {
                kek.RequireWorking(code);
            }
            return false;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(output);
        }
    }

    private async ValueTask<T> WithKekAsync<TState, T>(
        KeyVersionId id, Func<HsmSession, KekUse, TState, T> operation, TState state, CancellationToken cancellationToken,
        [CallerMemberName] string caller = "")
    {
        for (var attempt = 1; ; attempt++)
        {
            if (!keks.Contains(id))
            {
                await FetchKekAsync(id, cancellationToken).ConfigureAwait(false);
            }
            try
            {
                return await connection.RunAsync(
                    static (attachment, session, inner) =>
                    {
                        using var kek = new KekUse(inner.keks, attachment, session, inner.id);
                        return inner.operation(session, kek, inner.state);
                    },
                    (keks, id, operation, state),
                    cancellationToken,
                    caller).ConfigureAwait(false);
            }
            catch (HsmException exception) when (exception.Fault == HsmFault.KeyNotLoaded && attempt < 3)
            {
                // Evicted between the look and the use.
            }
        }
    }

    private async ValueTask FetchKekAsync(KeyVersionId id, CancellationToken cancellationToken)
    {
        if (KekSource is not { } source || await source(id, cancellationToken).ConfigureAwait(false) is not { } stored)
        {
            throw KekUse.NotLoaded(id);
        }
        await LoadKekAsync(id, stored.RootBlob, stored.CheckValue, cancellationToken).ConfigureAwait(false);
    }

    private static ValueTask Discard(ValueTask<bool> task)
    {
        if (task.IsCompletedSuccessfully)
        {
            _ = task.Result;
            return default;
        }
        return new ValueTask(task.AsTask());
    }
}
