using System.Buffers.Binary;
using System.Security.Cryptography;
using KeyService.Crypto;
using KeyService.Crypto.Archives;
using KeyService.Tests.Crypto;

namespace KeyService.Tests.Archives;

/// <summary>tests/vectors/archive.json, made by the second implementation, through every code path of this one.</summary>
public sealed class ArchiveVectorTests
{
    public static TheoryData<string, string> PositiveByOpenPath => Cross(ArchiveVectors.PositiveNames, OpenPaths.Names);

    public static TheoryData<string, string> NegativeByOpenPath => Cross(ArchiveVectors.NegativeNames, OpenPaths.Names);

    public static TheoryData<string, string> PositiveByMakePath => Cross(ArchiveVectors.PositiveNames, MakePaths.Names);

    [Theory]
    [MemberData(nameof(PositiveByOpenPath))]
    public async Task A_positive_vector_opens_on_every_path(string name, string path)
    {
        PositiveVector vector = ArchiveVectors.Load.Find(name);
        using SecretBuffer key = SecretBuffer.CopyOf(Convert.FromHexString(vector.DataKey));
        Opened opened = await OpenPaths.Open(path, vector.Archive(), key);
        Assert.Null(opened.Fault);
        Assert.Equal(Sample.Plaintext(vector.PlaintextLength), opened.Content);
        Assert.Equal(vector.PlaintextSha256, Convert.ToHexStringLower(SHA256.HashData(opened.Content)));
    }

    [Theory]
    [MemberData(nameof(NegativeByOpenPath))]
    public async Task A_negative_vector_is_refused_with_its_fault_on_every_path(string name, string path)
    {
        NegativeVector vector = ArchiveVectors.Load.Negative.Single(vector => vector.Name == name);
        using SecretBuffer key = SecretBuffer.CopyOf(Convert.FromHexString(vector.DataKey));
        Opened opened = await OpenPaths.Open(path, ArchiveVectors.Load.Edited(vector), key);
        Assert.Equal(vector.Fault, opened.Fault.ToString());
        Assert.True(Sample.Plaintext(opened.Content.Length).AsSpan().SequenceEqual(opened.Content), "something unverified was released");
    }

    [Theory]
    [MemberData(nameof(PositiveByMakePath))]
    public async Task A_positive_vector_comes_out_of_every_path_byte_for_byte(string name, string path)
    {
        PositiveVector vector = ArchiveVectors.Load.Find(name);
        byte[] archive = vector.Archive();
        byte[] headerBytes = archive[..vector.HeaderLength];
        ArchiveHeader header = ArchiveHeader.Parse(archive);
        using SecretBuffer key = SecretBuffer.CopyOf(Convert.FromHexString(vector.DataKey));
        byte[] made = await MakePaths.Make(
            path, headerBytes, header.MessageContext(), Convert.FromHexString(vector.Salt), key, Sample.Plaintext(vector.PlaintextLength));
        Assert.Equal(archive, made);
    }

    [Theory]
    [MemberData(nameof(ArchiveVectors.PositiveNames), MemberType = typeof(ArchiveVectors))]
    public void A_positive_vectors_header_reads_as_it_says(string name)
    {
        PositiveVector vector = ArchiveVectors.Load.Find(name);
        byte[] archive = vector.Archive();
        ArchiveHeader header = ArchiveHeader.Parse(archive);
        Assert.Equal(vector.HeaderLength, header.Length);
        Assert.Equal(vector.ArchiveId, Convert.ToHexStringLower(header.ArchiveId.Span));
        Assert.Equal(vector.EncodedContext, Convert.ToHexStringLower(header.Context.Encoded));
        Assert.Equal(vector.Context.Select(pair => (pair[0], pair[1])), header.Context.Pairs.Select(pair => (pair.Key, pair.Value)));
        Assert.Equal(vector.ContentName, header.ContentName);
        Assert.Equal(vector.Sequence, header.Sequence);
        Assert.Equal(vector.DamagedSlotAreas, header.DamagedSlotAreas);
        Assert.Equal(vector.WrappedDataKeys, header.WrappedDataKeys.Select(key => Convert.ToHexStringLower(key.Span)));
        Assert.Equal(archive[..header.Length], header.ToArray());
        if (vector.DamagedSlotAreas == 0 && vector.Sequence == 2)
        {
            ArchiveHeader fresh = ArchiveHeader.Create(header.ArchiveId.Span, header.Context, header.ContentName, header.WrappedDataKeys);
            Assert.Equal(archive[..header.Length], fresh.ToArray());
        }
    }

    [Theory]
    [MemberData(nameof(ArchiveVectors.PositiveNames), MemberType = typeof(ArchiveVectors))]
    public void A_positive_vectors_intermediate_values_come_out(string name)
    {
        PositiveVector vector = ArchiveVectors.Load.Find(name);
        byte[] context = ArchiveHeader.Parse(vector.Archive()).MessageContext();
        Assert.Equal(vector.MessageContextSha256, Convert.ToHexStringLower(SHA256.HashData(context)));
        using SecretBuffer key = SecretBuffer.CopyOf(Convert.FromHexString(vector.DataKey));
        using MessageKeys keys = MessageKeys.Derive(key, Convert.FromHexString(vector.Salt), context);
        Assert.Equal(vector.DerivedKey, Convert.ToHexStringLower(keys.Key));
        Assert.Equal(vector.BaseNonce, Convert.ToHexStringLower(keys.BaseNonce));
        Assert.Equal(vector.Commitment, Convert.ToHexStringLower(keys.Commitment));
    }

    [Theory]
    [MemberData(nameof(ArchiveVectors.PositiveNames), MemberType = typeof(ArchiveVectors))]
    public void The_wrapped_data_keys_of_a_positive_vector_unwrap_for_its_archive_id_and_context(string name)
    {
        PositiveVector vector = ArchiveVectors.Load.Find(name);
        ArchiveHeader header = ArchiveHeader.Parse(vector.Archive());
        using var gcm = new Aes256Gcm(Convert.FromHexString(vector.Kek));
        foreach (ReadOnlyMemory<byte> slot in header.WrappedDataKeys)
        {
            Assert.True(WrappedDataKey.TryParse(slot.Span, out WrappedDataKey wrapped));
            byte[] aad = AssociatedData.ToArray(
                AadPurpose.DataKeyArchive, WrappedDataKey.Format, wrapped.VersionId, header.ArchiveId.Span, header.Context);
            byte[] dataKey = new byte[32];
            Assert.True(gcm.Decrypt(wrapped.Iv, wrapped.Ciphertext, wrapped.Tag, dataKey, aad));
            Assert.Equal(vector.DataKey, Convert.ToHexStringLower(dataKey));
        }
    }

    [Theory]
    [MemberData(nameof(AesBackends.Names), MemberType = typeof(AesBackends))]
    public void Both_implementations_of_aes_open_the_chunks_of_a_vector(string backend)
    {
        PositiveVector vector = ArchiveVectors.Load.Find("three-chunks");
        using var gcm = new Aes256Gcm(Convert.FromHexString(vector.DerivedKey), AesBackends.Get(backend));
        ReadOnlySpan<byte> chunks = vector.Archive().AsSpan(Sample.ChunksAt);
        byte[] content = new byte[vector.PlaintextLength];
        for (int i = 0; i * ArchiveFormat.SealedChunkLength < chunks.Length; i++)
        {
            byte[] nonce = Convert.FromHexString(vector.BaseNonce);
            BinaryPrimitives.WriteUInt32BigEndian(nonce.AsSpan(8), BinaryPrimitives.ReadUInt32BigEndian(nonce.AsSpan(8)) ^ (uint)i);
            ReadOnlySpan<byte> chunk = chunks[(i * ArchiveFormat.SealedChunkLength)..];
            chunk = chunk[..Math.Min(chunk.Length, ArchiveFormat.SealedChunkLength)];
            Assert.True(gcm.Decrypt(nonce, chunk[..^16], chunk[^16..], content.AsSpan(i * ArchiveFormat.ChunkLength, chunk.Length - 16), []));
        }

        Assert.Equal(Sample.Plaintext(vector.PlaintextLength), content);
    }

    private static TheoryData<string, string> Cross(TheoryData<string> vectors, TheoryData<string> paths)
    {
        var all = new TheoryData<string, string>();
#if MUTATION
        int pair = 0;
#endif
        foreach (string vector in vectors.Select(row => row.Data))
        {
            foreach (string path in paths.Select(row => row.Data))
            {
#if MUTATION
                // Every fourth pair: all vectors and all paths at a quarter of the price.
                if (pair++ % 4 != 0)
                {
                    continue;
                }
#endif
                all.Add(vector, path);
            }
        }

        return all;
    }
}
