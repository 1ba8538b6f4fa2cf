using System.IO.Compression;
using System.Security.Cryptography;
using KeyService.Cli.CommandLine;
using KeyService.Crypto.Evidence;
using KeyService.Crypto.Logs;

namespace KeyService.Cli.Evidence;

/// <summary>What a verified pack says of itself.</summary>
/// <param name="Signer">Who signed it.</param>
internal sealed record EvidenceSeal(EvidenceManifest Manifest, NoteVerifier Signer);

/// <summary>A pack as a ZIP file: docs/spec/evidence-pack.md.</summary>
internal static class EvidencePack
{
    /// <summary>The signed note over the other files.</summary>
    public const string ManifestName = "manifest";

    /// <summary>The key that signed it; counts for nothing unless it is known from elsewhere.</summary>
    public const string KeyName = "key";

    private const long MaxFileLength = 1L << 30;

    public static void Write(Stream target, IEnumerable<KeyValuePair<string, byte[]>> files, DateTimeOffset made)
    {
        using var zip = new ZipArchive(target, ZipArchiveMode.Create, leaveOpen: true);
        foreach (var (name, content) in files)
        {
            var entry = zip.CreateEntry(name, CompressionLevel.Optimal);
            entry.LastWriteTime = made.UtcDateTime.Year < 1980 ? new DateTimeOffset(1980, 1, 1, 0, 0, 0, TimeSpan.Zero) : made;
            using var stream = entry.Open();
            stream.Write(content);
        }
    }

    /// <summary>Every file that the manifest names is there, byte for byte, and none besides; the manifest is signed by one of the keys.</summary>
    /// <param name="keys">Empty: whoever made the pack may have signed it with the key that is in it.</param>
    /// <exception cref="CliError">It is not so; the message says what.</exception>
    public static EvidenceSeal Verify(Stream source, IReadOnlyList<NoteVerifier> keys)
    {
        try
        {
            using var zip = new ZipArchive(source, ZipArchiveMode.Read, leaveOpen: true);
            var noteBytes = Read(zip, ManifestName, SignedNote.MaxLength);
            var keyText = System.Text.Encoding.UTF8.GetString(Read(zip, KeyName, 4096)).TrimEnd('\n');
            if (!SignedNote.TryParse(noteBytes, out var note) || !EvidenceManifest.TryParse(note!.Text, out var manifest) || !NoteVerifier.TryParse(keyText, out var inside))
            {
                throw NotVerified("its manifest or key is not in form");
            }
            var signer = (keys.Count > 0 ? keys : [inside!]).FirstOrDefault(key => key.Signed(note))
                ?? throw NotVerified(keys.Count > 0 ? "its manifest is not signed by a given key" : "its manifest is not signed by its key");
            if (signer.Name != $"{LogNames.Of(manifest!.Installation.Span).Installation}/evidence")
            {
                throw NotVerified("its key is of another installation");
            }
            // Folders stand in the file when it was unpacked and packed again; they hold nothing.
            var names = zip.Entries.Where(entry => entry.Length > 0 || !entry.FullName.EndsWith('/')).Select(entry => entry.FullName)
                .Where(name => name is not (ManifestName or KeyName)).Order(StringComparer.Ordinal).ToList();
            if (!names.SequenceEqual(manifest.Files.Select(file => file.Name), StringComparer.Ordinal))
            {
                throw NotVerified("it has other files than its manifest");
            }
            foreach (var file in manifest.Files)
            {
                if (file.Length > MaxFileLength || !SHA256.HashData(Read(zip, file.Name, file.Length)).AsSpan().SequenceEqual(file.Sha256.Span))
                {
                    throw NotVerified($"{file.Name} is not the file that was signed");
                }
            }
            return new EvidenceSeal(manifest, signer);
        }
        catch (InvalidDataException)
        {
            throw NotVerified("it is no whole ZIP file");
        }
    }

    // No more than is said to be there, whatever the archive unfolds to.
    private static byte[] Read(ZipArchive zip, string name, long limit)
    {
        var entry = zip.GetEntry(name) ?? throw NotVerified($"it has no file {name}");
        using var stream = entry.Open();
        using var content = new MemoryStream();
        var buffer = new byte[64 * 1024];
        for (int read; (read = stream.Read(buffer)) > 0;)
        {
            content.Write(buffer, 0, read);
            if (content.Length > limit)
            {
                throw NotVerified($"{name} is longer than it may be");
            }
        }
        return content.ToArray();
    }

    private static CliError NotVerified(string what) => new(
        ExitCode.NotVerified, "EVIDENCE_NOT_VERIFIED", $"The pack does not verify: {what}.", "Keep it as it is, and ask for another copy or a new pack.");
}
