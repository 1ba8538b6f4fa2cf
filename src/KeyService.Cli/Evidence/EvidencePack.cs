using System.Security.Cryptography;
using KeyService.Cli.CommandLine;
using KeyService.Crypto.Evidence;
using KeyService.Crypto.Logs;

namespace KeyService.Cli.Evidence;

/// <summary>What a verified pack says of itself.</summary>
/// <param name="Signer">Who signed it.</param>
/// <param name="LogRecords">Records of the log that are in it, each proven; null when the log is not in it.</param>
internal sealed record EvidenceSeal(EvidenceManifest Manifest, NoteVerifier Signer, long? LogRecords);

/// <summary>A pack as a ZIP file: docs/spec/evidence-pack.md.</summary>
internal static class EvidencePack
{
    /// <summary>The signed note over the other files.</summary>
    public const string ManifestName = "manifest";

    /// <summary>The key that signed it; counts for nothing unless it is known from elsewhere.</summary>
    public const string KeyName = "key";

    private const long MaxFileLength = 1L << 30;

    /// <summary>
    /// Every file that the manifest names is there, byte for byte, and none besides; the manifest is signed by one of the keys; the log in it is that of the
    /// manifest's checkpoint, whole.
    /// </summary>
    /// <param name="keys">Empty: whoever made the pack may have signed it with the key that is in it. Of the log's keys that are among them one must have signed the log.</param>
    /// <param name="progress">Gets the number of records that were verified.</param>
    /// <exception cref="CliError">It is not so; the message says what.</exception>
    public static EvidenceSeal Verify(Stream source, IReadOnlyList<NoteVerifier> keys, Action<long>? progress = null)
    {
        try
        {
            using var files = new PackFiles(source);
            var (manifest, signer) = ReadManifest(files, keys);
            var names = files.Names.Where(name => name is not (ManifestName or KeyName) && !PackLog.Has(name)).Order(StringComparer.Ordinal).ToList();
            if (!names.SequenceEqual(manifest.Files.Select(file => file.Name), StringComparer.Ordinal))
            {
                throw PackError.Of("it has other files than its manifest");
            }
            foreach (var file in manifest.Files)
            {
                if (file.Length > MaxFileLength || !SHA256.HashData(files.Read(file.Name, file.Length)).AsSpan().SequenceEqual(file.Sha256.Span))
                {
                    throw PackError.Of($"{file.Name} is not the file that was signed");
                }
            }
            foreach (var file in manifest.Files)
            {
                PackNotes.Verify(files, manifest, file.Name);
            }
            return new EvidenceSeal(manifest, signer, PackLog.Verify(files, manifest, keys, progress));
        }
        catch (InvalidDataException)
        {
            throw PackError.Of("it is no whole ZIP file");
        }
    }

    private static (EvidenceManifest Manifest, NoteVerifier Signer) ReadManifest(PackFiles files, IReadOnlyList<NoteVerifier> keys)
    {
        if (!SignedNote.TryParse(files.Read(ManifestName, SignedNote.MaxLength), out var note) || !EvidenceManifest.TryParse(note!.Text, out var manifest)
            || PackNotes.ReadKey(files, KeyName) is not { } inside)
        {
            throw PackError.Of("its manifest or key is not in form");
        }
        var signer = (keys.Count > 0 ? keys : [inside]).FirstOrDefault(key => key.Signed(note))
            ?? throw PackError.Of(keys.Count > 0 ? "its manifest is not signed by a given key" : "its manifest is not signed by its key");
        return signer.Name == $"{LogNames.Of(manifest!.Installation.Span).Installation}/evidence"
            ? (manifest, signer)
            : throw PackError.Of("its key is of another installation");
    }
}
