using System.Buffers;
using System.Security.Cryptography;

namespace KeyService.Crypto;

/// <summary>
/// One line of the audit log, and its canonical bytes. docs/spec/audit-record.md.
/// <code>version 0x01 | (field id 2 | length 4 | value) for each present field, ids ascending; integers big-endian</code>
/// Recording must never fail because of what a caller sent: encoding cuts a text that is too long and puts U+FFFD for a lone surrogate. Parsing is strict.
/// A text that is null or empty is absent. No secret, no plaintext and no patient data goes into any field.
/// </summary>
public sealed record AuditRecord
{
    /// <summary>First byte.</summary>
    public const byte Version = 0x01;

    /// <summary>Bytes of a text field at most, but for <see cref="Detail"/>.</summary>
    public const int MaxTextLength = 512;

    /// <summary>Bytes of <see cref="Detail"/> at most.</summary>
    public const int MaxDetailLength = 4096;

    /// <summary>Bytes of a context digest.</summary>
    public const int ContextDigestLength = 32;

    /// <summary>Bytes that <see cref="Changes"/> take at most: some 600 rows.</summary>
    public const int MaxChangesLength = 65_536;

    /// <summary>Characters of a changed row's table name at most.</summary>
    public const int MaxTableNameLength = 63;

    /// <summary>Bytes of a changed row's id at most.</summary>
    public const int MaxRowIdLength = 512;

    /// <summary>Bytes of a changed row's digest.</summary>
    public const int RowDigestLength = 32;

    /// <summary>Nanoseconds since 1970-01-01T00:00:00Z, without leap seconds.</summary>
    public required long TimeUnixNanoseconds { get; init; }

    /// <summary>The log slot.</summary>
    public required uint Slot { get; init; }

    /// <summary>Position in the slot's log, from 0, without gaps.</summary>
    public required ulong Sequence { get; init; }

    /// <summary>What happened; the server's frozen list of events.</summary>
    public required ushort EventId { get; init; }

    /// <summary>Read, modify, delete or administer.</summary>
    public required AuditEventType Type { get; init; }

    /// <summary>How it ended.</summary>
    public required AuditOutcome Outcome { get; init; }

    /// <summary>Registered name of who called; absent if unknown.</summary>
    public string? Principal { get; init; }

    /// <summary>Service, person, AI system, ….</summary>
    public string? PrincipalType { get; init; }

    /// <summary>How the principal was known: "mtls", "unix-uid", ….</summary>
    public string? Authentication { get; init; }

    /// <summary>The person for whom the principal says it acts; a claim, not verified.</summary>
    public string? OnBehalfOf { get; init; }

    /// <summary>Source address.</summary>
    public string? Source { get; init; }

    /// <summary>Certificate, or whatever names the device.</summary>
    public string? Device { get; init; }

    /// <summary>Name of the key.</summary>
    public string? Key { get; init; }

    /// <summary>The key version; null if none took part.</summary>
    public KeyVersionId? KeyVersion { get; init; }

    /// <summary>SHA-256 of the encoded context, 32 bytes; empty if absent.</summary>
    public ReadOnlyMemory<byte> ContextDigest { get; init; }

    /// <summary>Items of a batch or messages of a stream.</summary>
    public ulong? ItemCount { get; init; }

    /// <summary>Bytes of plaintext or archive that passed.</summary>
    public ulong? ByteCount { get; init; }

    /// <summary>The machine-readable reason of a refusal or failure.</summary>
    public string? Reason { get; init; }

    /// <summary>W3C trace id.</summary>
    public string? TraceId { get; init; }

    /// <summary>The caller's request id of a mutation.</summary>
    public string? RequestId { get; init; }

    /// <summary>How long it took, in microseconds.</summary>
    public ulong? DurationMicroseconds { get; init; }

    /// <summary>True for a machine, false for a person at work.</summary>
    public required bool Automated { get; init; }

    /// <summary>What else a reviewer needs, at most 4,096 bytes.</summary>
    public string? Detail { get; init; }

    /// <summary>Deciding rows of the store that the change wrote, in the order they were written; at most <see cref="MaxChangesLength"/> bytes together.</summary>
    public IReadOnlyList<AuditRowChange> Changes { get; init; } = [];

    /// <summary>The canonical bytes.</summary>
    /// <exception cref="InvalidOperationException">A field holds what the service must not put there: an undefined type or outcome, a digest that is not 32 bytes, key version zero,
    /// a changed row that the format cannot hold, or more of them than fit.</exception>
    public byte[] Encode() => AuditRecordEncoder.Encode(this);

    /// <summary>Accepts canonical bytes only: an unknown, repeated, missing or misplaced field, a wrong length, bad UTF-8 are refused. What parses encodes to the same bytes.</summary>
    public static bool TryParse(ReadOnlySpan<byte> encoded, out AuditRecord? record) => AuditRecordDecoder.TryParse(encoded, out record);

    /// <summary>Bytes that one row takes of <see cref="MaxChangesLength"/>.</summary>
    /// <exception cref="InvalidOperationException">The format cannot hold it.</exception>
    public static int LengthOf(AuditRowChange change) => AuditRowChanges.LengthOf(change);

    /// <summary>The leaf hash of RFC 6962: SHA-256(0x00 | canonical bytes), 32 bytes.</summary>
    public static byte[] LeafHash(ReadOnlySpan<byte> encoded)
    {
        // One call over a copy: for records of some hundred bytes that takes half the time of a hash object fed twice.
        byte[]? rented = null;
        Span<byte> leaf = encoded.Length < 1024 ? stackalloc byte[1 + encoded.Length] : rented = ArrayPool<byte>.Shared.Rent(1 + encoded.Length);
        leaf[0] = 0x00;
        encoded.CopyTo(leaf[1..]);
        var hash = SHA256.HashData(leaf[..(1 + encoded.Length)]);
        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }

        return hash;
    }

    /// <inheritdoc/>
    public bool Equals(AuditRecord? other) => other is not null && (ReferenceEquals(this, other) || Encode().AsSpan().SequenceEqual(other.Encode()));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(TimeUnixNanoseconds, Slot, Sequence, EventId);
}
