using KeyService.Crypto;
using KeyService.Hsm.Hierarchy;

namespace KeyService.Hsm;

/// <summary>KEKs that a peer token made, brought under this token's root: docs/spec/key-blob.md, ADR 0279.</summary>
public sealed partial class HsmToken
{
    /// <summary>KEKs that one call admits at most.</summary>
    public const int MaxAdmitted = 256;

    /// <summary>
    /// Unwraps KEKs that were sealed to this token's transfer key, wraps each under this token's root, and proves what a restart would load by its check value.
    /// All of them, or none: when one fails nothing is returned. Nothing stays loaded; <see cref="LoadKekAsync"/> loads what was returned.
    /// </summary>
    /// <param name="keks">1 to <see cref="MaxAdmitted"/>. The caller has verified the rows they come from.</param>
    /// <param name="cancellationToken">Looked at between some.</param>
    /// <returns>Their blobs under the root, in the same order.</returns>
    /// <exception cref="HsmException"><see cref="HsmFault.IntegrityFailure"/> names the version that is damaged, sealed to another key, or another key than its
    /// check value says; <see cref="HsmFault.HierarchyMissing"/>: no root or no transfer key.</exception>
    public async Task<IReadOnlyList<RestoredKek>> AdmitKeksAsync(IReadOnlyList<PeerKek> keks, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(keks);
        ArgumentOutOfRangeException.ThrowIfZero(keks.Count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(keks.Count, MaxAdmitted);
        var admitted = new List<RestoredKek>(keks.Count);
        // Copies of what is read while a call may hang, as in RestoreKeksAsync.
        foreach (var chunk in keks.Select(each => (each.Id, Blob: each.SealedBlob.ToArray(), CheckValue: each.CheckValue.ToArray())).Chunk(RestoredAtOnce))
        {
            cancellationToken.ThrowIfCancellationRequested();
            admitted.AddRange(await connection.RunAsync(
                static (attachment, session, chunk) =>
                {
                    var admission = new Admission(attachment, session);
                    return Array.ConvertAll(chunk, kek => new RestoredKek(kek.Id, admission.Admit(kek.Id, kek.Blob, kek.CheckValue)));
                },
                chunk,
                cancellationToken).ConfigureAwait(false));
        }
        return admitted;
    }
}

/// <summary>A KEK as a peer token sealed it to this one.</summary>
/// <param name="Id">The key version.</param>
/// <param name="SealedBlob">385 to 513 bytes (<see cref="SealedKek.Blob"/>).</param>
/// <param name="CheckValue">69 bytes.</param>
public readonly record struct PeerKek(KeyVersionId Id, ReadOnlyMemory<byte> SealedBlob, ReadOnlyMemory<byte> CheckValue);
